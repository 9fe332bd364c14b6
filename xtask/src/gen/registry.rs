//! A page that lists what a registry holds: the text to type, an example, one sentence.

use infalign::registry::Entry;

use super::{NOTICE, cell};

/// The page titled `title`, one row per entry, in the registry's order.
pub(super) fn page(title: &str, introduction: &str, entries: &[Entry]) -> String {
    let mut page = format!("{NOTICE}\n\n# {title}\n\n{introduction}\n\n");
    page.push_str("| write | for example | what it is |\n|---|---|---|\n");
    for entry in entries {
        page.push_str(&format!(
            "| `{}` | `{}` | {} |\n",
            cell(entry.syntax),
            cell(entry.example),
            cell(entry.summary)
        ));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_row() {
        let entry = Entry {
            name: "order",
            syntax: "order:J/N",
            example: "order:2/3",
            summary: "J-th smallest of N.",
        };
        let page = page("Procedures", "Intro.", &[entry]);
        assert!(
            page.ends_with("| `order:J/N` | `order:2/3` | J-th smallest of N. |\n"),
            "{page}"
        );
    }
}
