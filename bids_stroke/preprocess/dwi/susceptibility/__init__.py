"""The field that distorts a diffusion series along its phase encoding."""
