//! Development only: golden files, tolerances and reproducible test data.
