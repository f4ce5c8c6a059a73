//! Backbones as graphs, their preprocessing, and where their weights come from.
