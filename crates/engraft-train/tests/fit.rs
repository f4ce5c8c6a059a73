//! Training networks through the public interface.

#[path = "fit/behaviour.rs"]
mod behaviour;
#[path = "fit/clouds.rs"]
mod clouds;
#[path = "fit/resume.rs"]
mod resume;
#[path = "fit/watcher.rs"]
mod watcher;
