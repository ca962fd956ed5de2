"""The command lines: bids_stroke, bids_stroke_tools, and the Boutiques descriptor made from them."""
