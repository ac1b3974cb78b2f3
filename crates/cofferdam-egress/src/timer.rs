//! Waiting, injected: production sleeps, tests and the demo move a clock.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// Something that can wait.
pub trait Timer: Send + Sync + std::fmt::Debug {
    /// Resolves after `duration` on this timer's clock.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// Real time.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioTimer;

impl Timer for TokioTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(duration))
    }
}
