"""The page in a browser: its files, and the answers that it is made from."""
