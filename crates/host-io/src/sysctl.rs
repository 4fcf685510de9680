//! Kernel settings under /proc/sys, as seen from a place.
//!
//! A key is dotted (`net.ipv4.ip_forward`) or, when a device name with dots is
//! part of it, slashed (`net/ipv4/conf/eth0.7/forwarding`).

use std::path::PathBuf;
use std::{fs, io};

use crate::{HostError, Place};

/// The setting's value without its line end.
///
/// # Errors
/// When there is no such setting; see [`HostError::is_not_found`].
pub async fn get(place: &Place, key: &str) -> Result<String, HostError> {
    let path = path_of(key);
    let read = place.run(move || fs::read_to_string(path)).await?;
    let text = read.map_err(|source| HostError::kernel("read setting", key, source))?;
    Ok(text.trim_end().to_owned())
}

/// Sets one setting unless it has that value already; returns whether it changed.
///
/// # Errors
/// When there is no such setting or the kernel refuses the value.
pub async fn set(place: &Place, key: &str, value: &str) -> Result<bool, HostError> {
    Ok(set_all(place, &[(key.to_owned(), value.to_owned())]).await? == 1)
}

/// Sets several settings, in order, in one visit to the place; returns how many changed.
///
/// # Errors
/// The first failure; settings before it are done.
pub async fn set_all(place: &Place, settings: &[(String, String)]) -> Result<u64, HostError> {
    let settings = settings.to_vec();
    place
        .run(move || {
            let mut changed = 0;
            for (key, value) in settings {
                if write_if_different(&key, &value)
                    .map_err(|source| HostError::kernel("write setting", key, source))?
                {
                    changed += 1;
                }
            }
            Ok(changed)
        })
        .await?
}

/// Values of several settings in one visit to the place; `None` where a setting is absent.
///
/// # Errors
/// When the place cannot be entered.
pub async fn get_all(place: &Place, keys: &[String]) -> Result<Vec<Option<String>>, HostError> {
    let keys = keys.to_vec();
    let read = |key: &String| fs::read_to_string(path_of(key)).ok().map(|text| text.trim_end().to_owned());
    place.run(move || keys.iter().map(read).collect()).await
}

fn write_if_different(key: &str, value: &str) -> io::Result<bool> {
    let path = path_of(key);
    if equal(&fs::read_to_string(&path)?, value) {
        return Ok(false);
    }
    fs::write(path, value)?;
    Ok(true)
}

/// Values of several numbers are shown with tabs between them, whatever was written.
fn equal(now: &str, wanted: &str) -> bool {
    now.split_whitespace().eq(wanted.split_whitespace())
}

pub(crate) fn path_of(key: &str) -> PathBuf {
    let relative = if key.contains('/') { key.to_owned() } else { key.replace('.', "/") };
    PathBuf::from("/proc/sys").join(relative)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_written_forms_of_a_key_are_understood() {
        assert_eq!(path_of("net.ipv4.ip_forward"), PathBuf::from("/proc/sys/net/ipv4/ip_forward"));
        assert_eq!(
            path_of("net/ipv4/conf/eth0.7/forwarding"),
            PathBuf::from("/proc/sys/net/ipv4/conf/eth0.7/forwarding")
        );
    }

    #[test]
    fn white_space_does_not_make_a_difference() {
        assert!(equal("4096\t87380 6291456\n", "4096 87380 6291456"));
        assert!(!equal("0\n", "1"));
    }

    #[tokio::test]
    async fn an_absent_setting_is_not_found() {
        let error = get(&Place::Host, "net.no.such.setting").await.expect_err("absent");
        assert!(error.is_not_found(), "{error:?}");
    }
}
