"""What a finished run is used for: samples, translation of image files, style transfer."""
