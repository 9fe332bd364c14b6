//! `infalign completions` and `infalign man`: the command line for shells and for `man`.

use std::fs;

use crate::{
    args::{Completions, Man},
    command,
    error::Result,
    print,
};

pub(super) fn completions(args: &Completions) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command(), "infalign", &mut text);
    print::text(String::from_utf8_lossy(&text))
}

pub(super) fn man(args: &Man) -> Result<()> {
    let refused = |source| infalign_data::Error::Write {
        path: args.dir.clone(),
        source,
    };
    fs::create_dir_all(&args.dir).map_err(refused)?;
    clap_mangen::generate_to(command(), &args.dir).map_err(refused)?;
    print::note(&format!(
        "manual pages in {}; `man infalign` finds them where it is in MANPATH",
        args.dir.display()
    ));
    Ok(())
}
