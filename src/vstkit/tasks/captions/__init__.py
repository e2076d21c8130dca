"""What captions are made of: the table of facts, the words, the checker, and the teacher that writes instead."""
