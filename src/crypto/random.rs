//! A source of random bytes that tests can replace.
use std::sync::Arc;

#[derive(Clone)]
pub struct Random(Arc<Fill>);

type Fill = dyn Fn(&mut [u8]) + Send + Sync;

impl Random {
    /// The thread-local generator of `rand`, which the operating system seeds.
    pub fn real() -> Random {
        Random::from(|bytes| rand::fill(bytes))
    }
    pub fn from(fill: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Random {
        Random(Arc::new(fill))
    }
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.0)(&mut bytes);
        bytes
    }
}
