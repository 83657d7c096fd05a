//! Harness for tests and benches with real parts: Envoy, our module, an application, a collector of reports, clients, a Kubernetes control plane.
//!
//! Everything listens on free ports of loopback, keeps its files in a temporary folder, and ends when it is dropped.
//! Nothing sleeps to wait for something: [`poll::until`] looks again until a deadline.

pub mod poll;

pub mod module;
pub mod proxy;

pub mod app;
pub mod collector;
pub mod postanalytics;

pub mod client;

pub mod verdicts;

pub mod cluster;
