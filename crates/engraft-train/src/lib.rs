//! Feature store, classifier heads, cross-validation, metrics and reports.
