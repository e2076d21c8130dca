"""The scene graph of a view: relations of two (pairs), of several (groups), the graph, and words that single out."""
