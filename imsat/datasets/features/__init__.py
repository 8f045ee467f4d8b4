"""Features of images: GIST, ResNet-50, and the data sets made of them."""
