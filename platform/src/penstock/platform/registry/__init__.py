"""Registry: asset types, assets, and the tags whose samples the historian keeps."""
