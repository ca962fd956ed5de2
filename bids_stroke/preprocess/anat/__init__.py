"""T1w -> bias-corrected image, brain mask, tissues, transforms to standard space."""
