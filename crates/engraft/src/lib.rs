//! Graft a new head onto a pretrained backbone: datasets, backbones, classifiers.
