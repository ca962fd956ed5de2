"""What the level group knows of people beside their predictions."""
