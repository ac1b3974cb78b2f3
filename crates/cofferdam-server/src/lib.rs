//! Configuration, wiring, routes, jobs, web app and command line.
