"""Images, transforms and registration, whatever the modality."""
