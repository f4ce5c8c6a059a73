//! Runs a graph: Plan compiles and executes a frozen network.
