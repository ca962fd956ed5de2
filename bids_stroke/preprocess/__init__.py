"""Raw images and recordings -> derivatives: a folder a modality, each with its step."""
