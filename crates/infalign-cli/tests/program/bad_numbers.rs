//! Numbers, names and lists that cannot be: exit code 2, the value and its range named, nothing on standard output.

use super::folder::Folder;

const KL: &str = "a number > 0 and at most 32 (nats)";

fn design(flags: &str, says: &[&str]) {
    let folder = Folder::new();
    folder.run(&format!("design {flags}")).refused(2, says);
    assert!(folder.files().is_empty(), "{flags} left a file");
}

#[test]
fn budgets_that_are_none() {
    for (kl, shown) in [
        ("nan", "NaN"),
        ("inf", "inf"),
        ("1e400", "inf"),
        ("0", "0"),
        ("-1", "-1"),
        ("33", "33"),
    ] {
        design(
            &format!("--procedure best-of:4 --kl {kl}"),
            &[&format!("KL = {shown} is out of range"), KL],
        );
    }
    design("--procedure best-of:4 --kl much", &["'much'", "--kl <X>"]);
}

#[test]
fn prices_that_are_none() {
    for (beta, shown) in [("nan", "NaN"), ("inf", "inf"), ("0", "0"), ("-0.5", "-0.5")] {
        design(
            &format!("--procedure best-of:4 --beta {beta}"),
            &[
                &format!("beta = {shown} is out of range"),
                "between 1e-12 and 1e6",
            ],
        );
    }
    design(
        "--procedure best-of:4 --beta 0.5 --transforms logit",
        &["logit at β = 0.5", "β > 1"],
    );
}

#[test]
fn a_budget_or_a_price_and_not_both() {
    design("--procedure best-of:4", &["--kl <X>", "--beta <B>"]);
    design(
        "--procedure best-of:4 --kl 1 --beta 1",
        &["--kl <X>", "--beta <B>"],
    );
}

#[test]
fn procedures_out_of_range() {
    for (procedure, says) in [
        ("best-of:0", "N of best-of:N = 0 is out of range"),
        ("best-of:4097", "between 1 and 4096"),
        ("worst-of:0", "N of worst-of:N = 0 is out of range"),
        ("worst-of:4097", "between 1 and 4096"),
        ("order:0/3", "J of order:J/N = 0"),
        ("order:4/3", "between 1 and N"),
        ("poisson:nan", "`nan` is not a finite number"),
        ("poisson:inf", "`inf` is not a finite number"),
        ("poisson:-1", "MU of poisson:MU = -1"),
        ("tilt:nan", "`nan` is not a finite number"),
        ("rewind:1/4", "TAU of rewind:TAU/M = 1"),
        ("rewind:0.5/0", "M of rewind:TAU/M = 0"),
        (
            "mixture:0.5*best-of:2+0.4*best-of:8",
            "sum to 0.9: they must sum to 1",
        ),
        (
            "mixture:-1*best-of:2+2*best-of:8",
            "weights of the mixture[0] = -1",
        ),
    ] {
        design(&format!("--kl 0.5 --procedure {procedure}"), &[says]);
    }
}

#[test]
fn the_nearest_spelling_is_offered() {
    design(
        "--kl 0.5 --procedure best-off:4",
        &["did you mean `best-of:4`?", "known: standard"],
    );
    design(
        "--kl 0.5 --procedure best-of:4 --transforms identity,expp:10",
        &["did you mean `exp:10`?", "known: identity"],
    );
}

#[test]
fn transforms_out_of_range() {
    for (transform, says) in [
        ("exp:nan", "`nan` is not a finite number"),
        ("exp:inf", "`inf` is not a finite number"),
        ("exp:0", "T of exp:T = 0"),
        ("exp:701", "between -700 and 700"),
        ("power:0", "A of power:A = 0"),
        ("power:nan", "`nan` is not a finite number"),
        ("table:", "the file name is missing"),
    ] {
        design(
            &format!("--kl 0.5 --procedure best-of:4 --transforms {transform}"),
            &[says],
        );
    }
}

#[test]
fn counts_out_of_range() {
    design(
        "--kl 0.5 --procedure best-of:4 --k 0",
        &["K = 0 is out of range"],
    );
    design(
        "--kl 0.5 --procedure best-of:4 --k -3",
        &["'-3'", "--k <K>"],
    );
    design(
        "--kl 0.5 --procedure best-of:4 --k 1000001",
        &["between 1 and 1000000"],
    );
    design(
        "--kl 0.5 --procedure best-of:4 --threads 0",
        &["'0'", "--threads <N>"],
    );
    for counts in ["--prompts 0", "--k 0", "--k -1"] {
        let folder = Folder::new();
        let flag = counts.split(' ').next().unwrap();
        folder
            .run(&format!("simulate --out a.csv {counts}"))
            .refused(2, &[flag]);
        assert!(folder.files().is_empty());
    }
}

#[test]
fn text_that_is_not_unicode() {
    #[cfg(unix)]
    {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
        let args = ["design", "--kl", "1", "--procedure"].map(OsStr::new);
        let folder = Folder::new();
        let all = [args.as_slice(), &[OsStr::from_bytes(b"best-of:\xff")]].concat();
        folder.run_with(&all).refused(2, &["UTF-8"]);
    }
}
