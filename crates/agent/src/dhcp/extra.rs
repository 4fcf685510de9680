//! `extra_dhcp_opts` of a port: user text to option bytes.
//!
//! Nothing here becomes text for another program (N21): a value is parsed into
//! the form its option has, or refused. Text with control characters is refused
//! too, since clients hand it to scripts.
//!
//! A refused option never stops the port's other options, nor other ports.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::Ipv4Net;
use isospin_feed::facts::DhcpOption;

use super::encode;
use super::names::{self, Form};

/// One option of a port, ready to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    pub effect: Effect,
    /// `Some(true)`: only for iPXE clients (`tag:ipxe,`); `Some(false)`: only for others.
    pub ipxe: Option<bool>,
}

/// What an extra option does to the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send these bytes, instead of the server's own value.
    Send { code: u16, value: Vec<u8> },
    /// Send no such option at all: the blank `router` and `classless-static-route`.
    Omit { code: u16 },
    /// The header's next-server address.
    NextServer(Ipv4Addr),
}

/// Why an option of a port is not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("there is no DHCPv{version} option named '{name}'")]
    UnknownName { name: String, version: u8 },
    #[error("option '{name}' belongs to the protocol and cannot be set")]
    Reserved { name: String },
    #[error("the value of option '{name}' must be {wanted}")]
    BadValue { name: String, wanted: &'static str },
    #[error("name or value of option '{name}' has control characters")]
    ControlCharacters { name: String },
    #[error("option '{name}' has an unknown tag")]
    UnknownTag { name: String },
}

/// Reads one option; the name may be a number, and may have dnsmasq's prefixes.
///
/// # Errors
/// When the name is unknown or the value does not fit it.
pub fn parse(option: &DhcpOption) -> Result<Extra, Refused> {
    if option.name.chars().chain(option.value.chars()).any(char::is_control) {
        return Err(Refused::ControlCharacters { name: option.name.escape_debug().to_string() });
    }
    let (ipxe, name) = split_tag(&option.name)?;
    let name = ["option:", "option6:"].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
    let (code, form) = if option.ip_version == 6 { find_v6(name)? } else { find_v4(name)? };
    let value = option.value.trim();
    let effect = if option.ip_version != 6 && code == u16::from(names::SERVER_ADDRESS) {
        Effect::NextServer(value.parse().map_err(|_| bad(name, "one IPv4 address"))?)
    } else if value.is_empty() && matches!(form, Form::Addresses | Form::Routes) {
        Effect::Omit { code }
    } else {
        Effect::Send { code, value: bytes(form, value, option.ip_version == 6, name)? }
    };
    Ok(Extra { effect, ipxe })
}

/// `tag:ipxe,67` and `tag:!ipxe,67` are how bare-metal services boot in two stages.
fn split_tag(name: &str) -> Result<(Option<bool>, &str), Refused> {
    let name = name.trim();
    let Some(tagged) = name.strip_prefix("tag:") else { return Ok((None, name)) };
    let unknown = || Refused::UnknownTag { name: name.to_owned() };
    let (tag, rest) = tagged.split_once(',').ok_or_else(unknown)?;
    match tag.trim() {
        "ipxe" | "ipxe6" => Ok((Some(true), rest.trim())),
        "!ipxe" | "!ipxe6" => Ok((Some(false), rest.trim())),
        _ => Err(unknown()),
    }
}

fn find_v4(name: &str) -> Result<(u16, Form), Refused> {
    let known = |matches: &dyn Fn(&(&str, u8, Form)) -> bool| names::V4.iter().find(|row| matches(row));
    let (code, form) = match name.parse::<u8>() {
        Ok(code) => (code, known(&|row| row.1 == code).map_or(Form::Guess, |row| row.2)),
        Err(_) => {
            let row = known(&|row| row.0.eq_ignore_ascii_case(name));
            row.map(|row| (row.1, row.2)).ok_or_else(|| unknown(name, 4))?
        }
    };
    if names::RESERVED_V4.contains(&code) {
        return Err(Refused::Reserved { name: name.to_owned() });
    }
    Ok((u16::from(code), form))
}

fn find_v6(name: &str) -> Result<(u16, Form), Refused> {
    let known = |matches: &dyn Fn(&(&str, u16, Form)) -> bool| names::V6.iter().find(|row| matches(row));
    let (code, form) = match name.parse::<u16>() {
        Ok(code) => (code, known(&|row| row.1 == code).map_or(Form::Guess, |row| row.2)),
        Err(_) => {
            let row = known(&|row| row.0.eq_ignore_ascii_case(name));
            row.map(|row| (row.1, row.2)).ok_or_else(|| unknown(name, 6))?
        }
    };
    if names::RESERVED_V6.contains(&code) {
        return Err(Refused::Reserved { name: name.to_owned() });
    }
    Ok((code, form))
}

fn unknown(name: &str, version: u8) -> Refused {
    Refused::UnknownName { name: name.to_owned(), version }
}

fn bad(name: &str, wanted: &'static str) -> Refused {
    Refused::BadValue { name: name.to_owned(), wanted }
}

fn bytes(form: Form, value: &str, v6: bool, name: &str) -> Result<Vec<u8>, Refused> {
    let (found, wanted) = match form {
        Form::Addresses => (addresses(value, v6), "addresses with commas between"),
        Form::Pairs => (addresses(value, v6).filter(|bytes| bytes.len() % 8 == 0), "pairs of addresses"),
        Form::Routes => (routes(value), "destination/length,next hop,..."),
        Form::Text => (text(value), "some text"),
        Form::Domains => (domains(value), "domain names with commas between"),
        Form::Number(size) => (number(value, size), "a number in the option's range"),
        Form::Time => (seconds(value).map(|time| time.to_be_bytes().to_vec()), "a time"),
        Form::Sip => (sip(value), "addresses or domain names"),
        Form::Guess => (guess(value, v6), "some text"),
    };
    found.ok_or_else(|| bad(name, wanted))
}

fn list(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim)
}

fn addresses(value: &str, v6: bool) -> Option<Vec<u8>> {
    if v6 {
        let parse = |text: &str| text.trim_start_matches('[').trim_end_matches(']').parse::<Ipv6Addr>().ok();
        return list(value).map(parse).collect::<Option<Vec<_>>>().map(|found| encode::addresses6(&found));
    }
    let found: Option<Vec<Ipv4Addr>> = list(value).map(|text| text.parse().ok()).collect();
    found.map(|found| encode::addresses4(&found))
}

fn routes(value: &str) -> Option<Vec<u8>> {
    let parts: Vec<&str> = list(value).collect();
    let pair = |pair: &[&str]| -> Option<(Ipv4Net, Ipv4Addr)> {
        let [destination, next_hop] = pair else { return None };
        let destination = match destination.parse::<Ipv4Net>() {
            Ok(net) => net,
            Err(_) => Ipv4Net::from(destination.parse::<Ipv4Addr>().ok()?),
        };
        Some((destination, next_hop.parse().ok()?))
    };
    parts.chunks(2).map(pair).collect::<Option<Vec<_>>>().map(|found| encode::routes(&found))
}

fn text(value: &str) -> Option<Vec<u8>> {
    (!value.is_empty()).then(|| value.as_bytes().to_vec())
}

fn domains(value: &str) -> Option<Vec<u8>> {
    list(value).map(encode::domain).collect::<Option<Vec<_>>>().map(|names| names.concat())
}

fn sip(value: &str) -> Option<Vec<u8>> {
    let tagged = |tag: u8, bytes: Vec<u8>| [&[tag], &bytes[..]].concat();
    addresses(value, false).map(|found| tagged(1, found)).or_else(|| Some(tagged(0, domains(value)?)))
}

fn number(value: &str, size: u8) -> Option<Vec<u8>> {
    let parsed = match value.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).ok()?,
        None => value.parse::<i64>().ok()?,
    };
    let bits = u32::from(size) * 8;
    // Signed values (a time offset) are two's complement of the same size.
    let fits = parsed < (1i64 << bits) && parsed >= -(1i64 << (bits - 1));
    let bytes = parsed.to_be_bytes();
    fits.then(|| bytes.get(8 - usize::from(size)..).map(<[u8]>::to_vec))?
}

/// Seconds of a time; `infinite` is all ones.
fn seconds(value: &str) -> Option<u32> {
    if value.eq_ignore_ascii_case("infinite") {
        return Some(u32::MAX);
    }
    let unit = match value.chars().last()?.to_ascii_lowercase() {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return value.parse().ok(),
    };
    value.get(..value.len() - 1)?.parse::<u32>().ok()?.checked_mul(unit)
}

fn guess(value: &str, v6: bool) -> Option<Vec<u8>> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    if digits {
        return [1, 2, 4].into_iter().find_map(|size| number(value, size));
    }
    addresses(value, v6).or_else(|| hex(value)).or_else(|| text(value))
}

fn hex(value: &str) -> Option<Vec<u8>> {
    let byte = |text: &str| {
        let valid = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if valid { u8::from_str_radix(text, 16).ok() } else { None }
    };
    value.contains(':').then(|| value.split(':').map(byte).collect())?
}
