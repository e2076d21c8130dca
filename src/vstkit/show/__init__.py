"""Records made visible: a gallery for a browser, pictures, a Rerun recording."""
