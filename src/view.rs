//! What answers look like: pages and their frame, navigation, charts, files to download, sentences of the audit log.
pub mod assets;
pub mod audit_sentences;
pub mod chart;
pub mod cookie;
pub mod csv;
pub mod error_pages;
pub mod form_errors;
pub mod invoice;
pub mod nav;
pub mod page;
pub mod permission_matrix;
pub mod role_picker;
pub mod select;
pub mod shell;
pub mod when;
pub mod zip;
