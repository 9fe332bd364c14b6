//! `infalign data`: data files looked at and converted.

mod convert;
mod inspect;

use infalign_data::FORMATS;
use serde::Serialize;

use crate::{
    args::{Data, DataCommand, Format, Formats},
    error::Result,
    print::{self, Table},
};

pub(super) fn run(args: &Data) -> Result<()> {
    match &args.command {
        DataCommand::Inspect(args) => inspect::run(args),
        DataCommand::Convert(args) => convert::run(args),
        DataCommand::Formats(args) => formats(args),
    }
}

#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    summary: &'static str,
    converts_to: &'static [infalign_data::Target],
    example: &'static str,
}

fn formats(args: &Formats) -> Result<()> {
    if args.format == Format::Json {
        let rows = FORMATS.iter().map(|format| Row {
            name: format.name,
            summary: format.summary,
            converts_to: format.gives,
            example: format.example,
        });
        return print::json(&rows.collect::<Vec<_>>());
    }
    let mut table = Table::new(&["format", "converts to", "what it is"]);
    for format in FORMATS {
        let gives: Vec<&str> = format.gives.iter().map(|to| to.name()).collect();
        table.row([
            format.name.to_owned(),
            gives.join(", "),
            format.summary.to_owned(),
        ]);
    }
    print::text(table)
}
