//! An option of a `<select>`, as `field::option` draws it.

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectOption {
    pub value: String,
    pub label: String,
    pub selected: bool,
}

impl SelectOption {
    /// Selected if its value is the chosen one.
    pub fn new(value: impl Into<String>, label: impl Into<String>, chosen: &str) -> SelectOption {
        let value = value.into();
        SelectOption { selected: value == chosen, label: label.into(), value }
    }
    /// The same for a fixed list of values and labels.
    pub fn list(options: &[(&str, &str)], chosen: &str) -> Vec<SelectOption> {
        options.iter().map(|(value, label)| SelectOption::new(*value, *label, chosen)).collect()
    }
}
