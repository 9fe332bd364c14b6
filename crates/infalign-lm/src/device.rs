//! Where models run: `cpu`, and the GPUs that this build knows by cargo feature.

use std::{fmt, str::FromStr};

#[cfg(any(
    feature = "wgpu",
    feature = "cuda",
    feature = "metal",
    feature = "rocm"
))]
use burn::tensor::DeviceType;
use burn::tensor::{Device, FloatDType};
use serde::Serialize;

use crate::error::{Error, Result};

/// A device as a user types it: `cpu`, `wgpu`, `wgpu:1`, `cuda:0`, `metal`, `rocm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeviceName {
    /// What kind.
    pub kind: DeviceKind,
    /// Which of its kind, from 0.
    pub index: usize,
}

/// The kinds of device that a build can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// This machine's processor: Burn's backend `flex` and the kernels of `infalign-kernels`. Always there.
    #[default]
    Cpu,
    /// Any GPU through Vulkan, Metal or DirectX.
    Wgpu,
    /// NVIDIA GPUs.
    Cuda,
    /// Apple GPUs.
    Metal,
    /// AMD GPUs.
    Rocm,
}

impl DeviceKind {
    /// All kinds, in the order in which they are listed.
    pub const ALL: [Self; 5] = [Self::Cpu, Self::Wgpu, Self::Cuda, Self::Metal, Self::Rocm];

    /// The name that users type, which is also the cargo feature that brings it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Wgpu => "wgpu",
            Self::Cuda => "cuda",
            Self::Metal => "metal",
            Self::Rocm => "rocm",
        }
    }

    /// Whether this build has it.
    #[must_use]
    pub fn built(self) -> bool {
        match self {
            Self::Cpu => true,
            Self::Wgpu => cfg!(feature = "wgpu"),
            Self::Cuda => cfg!(feature = "cuda"),
            Self::Metal => cfg!(feature = "metal"),
            Self::Rocm => cfg!(feature = "rocm"),
        }
    }

    /// The command that makes a build with it.
    #[must_use]
    pub fn install(self) -> String {
        format!(
            "cargo install --path crates/infalign-cli --features {}",
            self.name()
        )
    }

    /// The devices of this kind on this machine; none if the build lacks it.
    #[must_use]
    pub fn devices(self) -> Vec<Device> {
        match self {
            Self::Cpu => vec![Device::flex()],
            #[cfg(feature = "wgpu")]
            Self::Wgpu => Device::enumerate(DeviceType::Wgpu).into_vec(),
            #[cfg(feature = "cuda")]
            Self::Cuda => Device::enumerate(DeviceType::Cuda).into_vec(),
            #[cfg(feature = "metal")]
            Self::Metal => Device::enumerate(DeviceType::Metal).into_vec(),
            #[cfg(feature = "rocm")]
            Self::Rocm => Device::enumerate(DeviceType::Rocm).into_vec(),
            #[cfg(not(all(
                feature = "wgpu",
                feature = "cuda",
                feature = "metal",
                feature = "rocm"
            )))]
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, self.index) {
            (kind, 0) => f.write_str(kind.name()),
            (kind, index) => write!(f, "{}:{index}", kind.name()),
        }
    }
}

impl FromStr for DeviceName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unknown = || Error::UnknownDevice {
            name: text.to_owned(),
        };
        let (kind, index) = text.split_once(':').unwrap_or((text, "0"));
        let kind = DeviceKind::ALL
            .into_iter()
            .find(|k| k.name() == kind)
            .ok_or_else(unknown)?;
        let index = index.parse().map_err(|_| unknown())?;
        if kind == DeviceKind::Cpu && index > 0 {
            return Err(unknown());
        }
        Ok(Self { kind, index })
    }
}

/// The numbers that a model computes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits.
    #[default]
    F32,
    /// 16 bits with the range of f32.
    Bf16,
    /// 16 bits, IEEE half precision.
    F16,
}

impl Precision {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::F32, Self::Bf16, Self::F16];

    /// The name that users type.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }

    fn dtype(self) -> FloatDType {
        match self {
            Self::F32 => FloatDType::F32,
            Self::Bf16 => FloatDType::BF16,
            Self::F16 => FloatDType::F16,
        }
    }

    /// Whether models can compute in it on this device. On the CPU only f32: its matrix products convert 16-bit numbers back and forth.
    #[must_use]
    pub fn on(self, device: &Device, kind: DeviceKind) -> bool {
        match kind {
            DeviceKind::Cpu => self == Self::F32,
            _ => device.supports_dtype(self.dtype()),
        }
    }
}

/// Opens a device, with its numbers set to `precision`.
///
/// # Errors
/// A kind that the build lacks (the message has the install command), an index that the machine lacks, a precision that the device lacks.
pub fn open(name: DeviceName, precision: Precision) -> Result<Device> {
    if !name.kind.built() {
        return Err(Error::DeviceNotBuilt {
            name: name.to_string(),
            install: name.kind.install(),
        });
    }
    let devices = name.kind.devices();
    let found = devices.len();
    let mut device = devices
        .into_iter()
        .nth(name.index)
        .ok_or_else(|| Error::NoSuchDevice {
            name: name.to_string(),
            found,
        })?;
    if !precision.on(&device, name.kind) {
        return Err(Error::PrecisionUnsupported {
            precision: precision.name(),
            device: name.to_string(),
            supported: Precision::ALL
                .into_iter()
                .filter(|p| p.on(&device, name.kind))
                .map(Precision::name)
                .collect(),
        });
    }
    if precision != Precision::F32 {
        device
            .configure(precision.dtype())
            .map_err(|e| Error::Device {
                name: name.to_string(),
                why: e.to_string(),
            })?;
    }
    Ok(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for text in ["cpu", "wgpu", "wgpu:1", "cuda:3", "metal", "rocm"] {
            assert_eq!(
                text.parse::<DeviceName>()
                    .map(|d| d.to_string())
                    .ok()
                    .as_deref(),
                Some(text)
            );
        }
        for text in ["", "gpu", "cpu:1", "cuda:", "cuda:x", "wgpu:-1"] {
            assert!(text.parse::<DeviceName>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_device_that_the_build_lacks_comes_with_its_install_command() {
        for kind in DeviceKind::ALL.into_iter().filter(|k| !k.built()) {
            let error = open(DeviceName { kind, index: 0 }, Precision::F32).map(|_| ());
            let text = error.expect_err("it is not built").to_string();
            assert!(text.contains(&kind.install()), "{text}");
        }
    }

    #[test]
    fn the_cpu_computes_in_f32_only() {
        assert!(open(DeviceName::default(), Precision::F32).is_ok());
        assert!(open(DeviceName::default(), Precision::Bf16).is_err());
    }
}
