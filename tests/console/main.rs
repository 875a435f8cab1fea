//! The one test binary: it tells stories of people, through the real router, on both engines.
mod api;
mod browser {
    mod driver;
}
mod harness;
mod sign_in;
mod sign_up;
