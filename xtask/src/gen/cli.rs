//! The page of the command line: every subcommand with its help, arguments, options and defaults.

use clap::{Arg, Command};

use super::{NOTICE, cell};

/// The whole page for `command`, subcommands in the order in which it lists them.
pub(super) fn page(mut command: Command) -> String {
    command.build();
    let mut page = format!("{NOTICE}\n\n# The command line\n");
    let mut shown = vec![(command.get_name().to_owned(), &command)];
    while let Some((name, command)) = shown.pop() {
        page.push_str(&section(&name, command));
        let children: Vec<_> = command
            .get_subcommands()
            .filter(|child| child.get_name() != "help" && !child.is_hide_set())
            .map(|child| (format!("{name} {}", child.get_name()), child))
            .collect();
        shown.extend(children.into_iter().rev());
    }
    page
}

/// Help of one command: what it does, how it is called, its arguments, what else it says.
fn section(name: &str, command: &Command) -> String {
    let mut text = format!("\n## `{name}`\n");
    if let Some(about) = command.get_long_about().or(command.get_about()) {
        text.push_str(&format!("\n{}\n", about.to_string().trim()));
    }
    let usage = command.clone().render_usage().to_string();
    text.push_str(&format!("\n```text\n{}\n```\n", usage.trim()));
    let arguments: Vec<_> = command
        .get_arguments()
        .filter(|arg| !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version"))
        .collect();
    if !arguments.is_empty() {
        text.push_str("\n| argument | default | meaning |\n|---|---|---|\n");
        for argument in arguments {
            text.push_str(&row(argument));
        }
    }
    if let Some(after) = command.get_after_long_help().or(command.get_after_help()) {
        text.push_str(&format!("\n```text\n{}\n```\n", after.to_string().trim()));
    }
    text
}

/// One argument: as typed, default, help and the values it takes.
fn row(argument: &Arg) -> String {
    let default: Vec<_> = argument
        .get_default_values()
        .iter()
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    let help = argument.get_long_help().or(argument.get_help());
    let mut meaning = help.map(ToString::to_string).unwrap_or_default();
    let values: Vec<_> = argument
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if takes_value(argument) && !values.is_empty() {
        meaning.push_str(&format!(" One of {}.", values.join(", ")));
    }
    if argument.is_required_set() {
        meaning.push_str(" Required.");
    }
    format!(
        "| `{}` | {} | {} |\n",
        cell(&typed(argument)),
        default.join(", "),
        cell(&meaning)
    )
}

/// `--kl <NATS>`, `-v, --verbose`, `[CONFIG]`.
fn typed(argument: &Arg) -> String {
    if argument.is_positional() {
        return argument.to_string();
    }
    let short = argument.get_short().map(|c| format!("-{c}"));
    let long = argument.get_long().map(|name| format!("--{name}"));
    let mut text = short.into_iter().chain(long).collect::<Vec<_>>().join(", ");
    if takes_value(argument) {
        for name in argument.get_value_names().unwrap_or_default() {
            text.push_str(&format!(" <{name}>"));
        }
    }
    text
}

fn takes_value(argument: &Arg) -> bool {
    argument.get_action().takes_values()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_visible_subcommand_and_option_is_shown() {
        let command = Command::new("tool")
            .about("Does it.")
            .subcommand(
                Command::new("design")
                    .about("Short.")
                    .long_about("Long about a|b.")
                    .after_long_help("Example: tool design")
                    .arg(
                        Arg::new("kl")
                            .long("kl")
                            .short('k')
                            .value_name("NATS")
                            .default_value("0.5")
                            .help("KL budget | nats"),
                    )
                    .arg(
                        Arg::new("format")
                            .long("format")
                            .value_parser(["text", "json"]),
                    )
                    .arg(Arg::new("secret").long("secret").hide(true))
                    .arg(
                        Arg::new("file")
                            .value_name("FILE")
                            .required(true)
                            .help("Input."),
                    ),
            )
            .subcommand(Command::new("hidden").hide(true));
        let page = page(command);
        assert!(page.contains("## `tool`\n\nDoes it.\n"), "{page}");
        assert!(
            page.contains("## `tool design`\n\nLong about a|b.\n"),
            "{page}"
        );
        assert!(
            page.contains("Usage: tool design [OPTIONS] <FILE>"),
            "{page}"
        );
        assert!(
            page.contains("| `-k, --kl <NATS>` | `0.5` | KL budget \\| nats |"),
            "{page}"
        );
        assert!(page.contains("One of `text`, `json`."), "{page}");
        assert!(
            page.contains("| `<FILE>` |  | Input. Required. |"),
            "{page}"
        );
        assert!(page.contains("Example: tool design"), "{page}");
        assert!(
            !page.contains("secret") && !page.contains("hidden"),
            "{page}"
        );
    }
}
