//! NumPy's `.npy` of rewards: `[prompts, K]`, little-endian f32 or f64, row by row (NEP 1, versions 1 to 3).

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
    sync::Arc,
};

use super::{BATCH, RewardBatch, all_finite};
use crate::error::{Error, Place, Result, Spot};

pub(super) const MAGIC: &[u8; 6] = b"\x93NUMPY";
const LONGEST_HEADER: usize = 1 << 16;

/// What the header says.
#[derive(Debug, PartialEq)]
struct Header {
    double: bool,
    prompts: usize,
    k: usize,
}

/// The rewards, batch by batch; prompts are numbered from `first`.
pub(super) fn stream<E: From<Error>>(
    path: &Path,
    first: u64,
    each: &mut impl FnMut(&mut RewardBatch) -> Result<(), E>,
) -> Result<(), E> {
    let file = File::open(path).map_err(|e| Error::read(path, e))?;
    let name: Arc<str> = path.display().to_string().into();
    let damaged = |what: String| Error::Damaged {
        file: name.to_string(),
        what,
    };
    let mut input = BufReader::with_capacity(1 << 20, file);
    let header = header(&mut input).map_err(&damaged)?;
    if header.prompts == 0 || header.k == 0 {
        let file = name.to_string();
        return Err(Error::Empty { file }.into());
    }
    let width = if header.double { 8 } else { 4 };
    let rows = (BATCH / header.k).max(1);
    let mut bytes = vec![0; rows.min(header.prompts) * header.k * width];
    let mut batch = RewardBatch::default();
    let mut row = 0;
    while row < header.prompts {
        let here = rows.min(header.prompts - row);
        let bytes = &mut bytes[..here * header.k * width];
        input.read_exact(bytes).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => damaged(format!(
                "it ends before prompt {} of the {} that it announces",
                row + here,
                header.prompts
            )),
            _ => Error::read(path, e),
        })?;
        batch.clear();
        let (values, ends) = batch.rows();
        if header.double {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "rewards are kept in single precision"
            )]
            values.extend(
                bytes
                    .as_chunks()
                    .0
                    .iter()
                    .map(|b| f64::from_le_bytes(*b) as f32),
            );
        } else {
            values.extend(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)));
        }
        ends.extend((1..=here).map(|i| i * header.k));
        let place = Place {
            file: Arc::clone(&name),
            spot: Spot::Row(row as u64 + 1),
        };
        all_finite(values, ends, "rewards", &place)?;
        for i in 0..here {
            batch.name(&(first + (row + i) as u64).to_string());
        }
        each(&mut batch)?;
        row += here;
    }
    Ok(())
}

/// Reads the header, or says what is wrong with it.
fn header(input: &mut impl Read) -> Result<Header, String> {
    let mut take = |n: usize| -> Result<Vec<u8>, String> {
        let mut bytes = vec![0; n];
        let read = input.read_exact(&mut bytes);
        read.map_err(|_| "it ends within its header".to_owned())?;
        Ok(bytes)
    };
    let start = take(8)?;
    let length = match start[6] {
        1 => take(2)?,
        2 | 3 => take(4)?,
        other => {
            return Err(format!(
                "version {other} of .npy is not known; save it with numpy.save"
            ));
        }
    };
    let length = length.iter().rev().fold(0, |n, &b| n << 8 | usize::from(b));
    if length > LONGEST_HEADER {
        return Err(format!("its header is {length} bytes long"));
    }
    let text = String::from_utf8(take(length)?).map_err(|_| "its header is not text".to_owned())?;
    parse(&text)
}

/// `{'descr': '<f4', 'fortran_order': False, 'shape': (P, K), }`
fn parse(text: &str) -> Result<Header, String> {
    let after = |key: &str| {
        let (_, rest) = text.split_once(&format!("'{key}'"))?;
        Some(rest.trim_start().strip_prefix(':')?.trim_start())
    };
    let wanted = "expected a C-ordered array [prompts, K] of float32 or float64, as numpy.save(file, rewards.astype(numpy.float32)) writes it";
    let unfit = || format!("its header is {}; {wanted}", text.trim());
    let double = match after("descr").ok_or_else(unfit)? {
        kind if kind.starts_with("'<f4'") => false,
        kind if kind.starts_with("'<f8'") => true,
        _ => return Err(unfit()),
    };
    if !after("fortran_order").is_some_and(|rest| rest.starts_with("False")) {
        return Err(unfit());
    }
    let shape = after("shape")
        .and_then(|rest| rest.strip_prefix('(')?.split_once(')'))
        .map(|(shape, _)| shape.trim_end_matches([',', ' ']))
        .ok_or_else(unfit)?;
    let sizes: Vec<usize> = shape
        .split(',')
        .map(|size| size.trim().parse().map_err(|_| unfit()))
        .collect::<Result<_, _>>()?;
    match sizes[..] {
        [prompts, k]
            if prompts
                .checked_mul(k)
                .is_some_and(|n| n.checked_mul(8).is_some()) =>
        {
            Ok(Header { double, prompts, k })
        }
        _ => Err(unfit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        let good = parse("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }  \n");
        let wanted = Header {
            double: false,
            prompts: 3,
            k: 2,
        };
        assert_eq!(good, Ok(wanted));
        for bad in [
            "{'descr': '>f4', 'fortran_order': False, 'shape': (3, 2), }",
            "{'descr': '<i8', 'fortran_order': False, 'shape': (3, 2), }",
            "{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 2), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999, 9999999999), }",
            "{'shape': (3, 2)}",
            "",
        ] {
            let said = parse(bad).expect_err(bad);
            assert!(said.contains("[prompts, K]"), "{said}");
        }
        assert!(header(&mut &b"\x93NUMPY\x01\x00\xff\xff{"[..]).is_err());
        assert!(header(&mut &b"\x93NUMPY\x09\x00"[..]).is_err());
    }
}
