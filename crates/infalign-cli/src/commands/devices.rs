//! `infalign devices`: what this build and this machine offer.

use infalign_lm::{DeviceKind, Precision};
use serde::Serialize;

use crate::{
    args::{Devices, Format},
    error::Result,
    print::{self, Table},
};

#[derive(Debug, Serialize)]
struct Kind {
    device: &'static str,
    built: bool,
    /// What makes a build that has it; none where this one does.
    install: Option<String>,
    found: usize,
    dtypes: Vec<&'static str>,
    threads: Option<usize>,
    instruction_set: Option<&'static str>,
}

pub(super) fn run(args: &Devices) -> Result<()> {
    let kinds: Vec<Kind> = DeviceKind::ALL.into_iter().map(kind).collect();
    match args.format {
        Format::Json => print::json(&kinds),
        Format::Text => {
            let mut table = Table::new(&["device", "here", "numbers", ""]);
            for kind in &kinds {
                table.row([
                    kind.device.to_owned(),
                    here(kind),
                    kind.dtypes.join(", "),
                    remark(kind),
                ]);
            }
            print::text(table)
        }
    }
}

fn kind(kind: DeviceKind) -> Kind {
    let devices = kind.devices();
    let dtypes = devices.first().map_or_else(Vec::new, |device| {
        let all = Precision::ALL.into_iter();
        all.filter(|p| p.on(device, kind))
            .map(Precision::name)
            .collect()
    });
    let cpu = kind == DeviceKind::Cpu;
    Kind {
        device: kind.name(),
        built: kind.built(),
        install: (!kind.built()).then(|| kind.install()),
        found: devices.len(),
        dtypes,
        threads: cpu.then(rayon::current_num_threads),
        instruction_set: cpu.then(infalign_kernels::linear::instruction_set),
    }
}

fn here(kind: &Kind) -> String {
    match (kind.built, kind.found) {
        (false, _) => "not in this build".to_owned(),
        (true, 0) => "none found".to_owned(),
        (true, 1) => "yes".to_owned(),
        (true, n) => format!("{n}: {0}, {0}:1, …", kind.device),
    }
}

fn remark(kind: &Kind) -> String {
    match (kind.threads, kind.instruction_set, &kind.install) {
        (Some(1), Some(set), _) => format!("1 thread, {set}"),
        (Some(threads), Some(set), _) => format!("{threads} threads, {set}"),
        (_, _, Some(install)) => install.clone(),
        _ => String::new(),
    }
}
