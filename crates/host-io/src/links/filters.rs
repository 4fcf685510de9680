//! Filters at devices that are not nftables: queueing discipline `clsact`, whose filters
//! are in blocks that devices share, one small program in each block.
//!
//! A program decides by the mark of a packet alone, so that one block serves any number
//! of devices, and a device costs one request.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd as _, RawFd};

use futures::StreamExt;
use netlink_packet_route::tc::{
    TcAttribute, TcBpfFlags, TcFilterBpf, TcFilterBpfOption, TcHandle, TcHeader, TcMessage, TcOption,
};
use rtnetlink::packet_core::{
    DefaultNla, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_ECHO, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage,
    NetlinkPayload, Nla as _,
};
use rtnetlink::packet_route::RouteNetlinkMessage;

use super::kernel::{KernelLinks, Result, failed, unless_absent};
use crate::bpf::Program;

/// Attributes the library does not name (linux/rtnetlink.h).
const INGRESS_BLOCK: u16 = 13;
const EGRESS_BLOCK: u16 = 14;
/// What comes in and what goes out pass filters of this discipline.
const CLSACT: &str = "clsact";
const CLSACT_HANDLE: u32 = 0xffff_0000;
/// Place of our filter in its block, and its number there.
const PRIORITY: u32 = 1;
const FILTER: u32 = 1;
/// ETH_P_ALL, in the byte order of the wire.
const EVERY_PROTOCOL: u32 = 0x0003_u16.to_be() as u32;

/// What a program does with packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PacketRule {
    /// Gives each this mark. Frames for a bridge itself (01:80:c2:00:00:0x) are dropped.
    Mark(u32),
    /// Drops those without this mark.
    Only(u32),
    /// Drops those with this mark.
    Except(u32),
    /// Drops all.
    Nothing,
}

impl PacketRule {
    /// What the filter is called: tells whether it is the one wanted.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Mark(mark) => format!("isospin_mark_{mark:x}_1"),
            Self::Only(mark) => format!("isospin_only_{mark:x}_1"),
            Self::Except(mark) => format!("isospin_except_{mark:x}_1"),
            Self::Nothing => "isospin_nothing_1".to_owned(),
        }
    }
}

/// The blocks a device's packets pass. Numbers are of the namespace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceFilters {
    /// For what comes in by the device.
    pub ingress: Option<u32>,
    /// For what goes out by it.
    pub egress: Option<u32>,
}

/// Somebody took filters away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterLoss {
    /// All of the device with this index.
    Device(u32),
    /// Some of a block, or of a device.
    Filter,
}

impl KernelLinks {
    /// By device index; a discipline without blocks of filters has none.
    pub(super) async fn filters(&self) -> Result<BTreeMap<u32, DeviceFilters>> {
        let message = RouteNetlinkMessage::GetQueueDiscipline(TcMessage::default());
        let found = self.ask(message, NLM_F_DUMP).await.map_err(failed("list filters of", "devices"))?;
        Ok(found.iter().filter_map(read_filters).collect())
    }

    pub(super) async fn filters_of(&self, index: u32) -> Result<Option<DeviceFilters>> {
        let message = RouteNetlinkMessage::GetQueueDiscipline(discipline(index));
        let object = || format!("device {index}");
        match self.ask(message, NLM_F_ACK | NLM_F_ECHO).await.map_err(failed("read filters of", object())) {
            Ok(found) => Ok(found.iter().find_map(read_filters).map(|(_, filters)| filters)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn add_filters(&self, index: u32, filters: DeviceFilters) -> Result<()> {
        let mut message = discipline(index);
        message.header.handle = CLSACT_HANDLE.into();
        message.attributes.push(TcAttribute::Kind(CLSACT.to_owned()));
        for (kind, block) in [(INGRESS_BLOCK, filters.ingress), (EGRESS_BLOCK, filters.egress)] {
            let attribute = |block: u32| DefaultNla::new(kind, block.to_ne_bytes().to_vec());
            message.attributes.extend(block.map(attribute).map(TcAttribute::Other));
        }
        let message = RouteNetlinkMessage::NewQueueDiscipline(message);
        let done = self.ask(message, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL).await;
        done.map(drop).map_err(failed("add filters to", format!("device {index}")))
    }

    pub(super) async fn delete_filters(&self, index: u32) -> Result<()> {
        let message = RouteNetlinkMessage::DelQueueDiscipline(discipline(index));
        let done = self.ask(message, NLM_F_ACK).await.map(drop);
        unless_absent(done.map_err(failed("delete filters of", format!("device {index}"))))
    }

    /// Names of the programs of a block, in order; "" for a filter of another kind. A
    /// block no device names has none.
    pub(super) async fn programs(&self, block: u32) -> Result<Vec<String>> {
        let found = self.block_filters(block).await?;
        Ok(found.iter().map(|filter| read_program(filter).unwrap_or_default()).collect())
    }

    async fn block_filters(&self, block: u32) -> Result<Vec<TcMessage>> {
        let message = RouteNetlinkMessage::GetTrafficFilter(of_block(block));
        let found = self.ask(message, NLM_F_DUMP).await;
        let mut filters = found.map_err(failed("list filters of", format!("block {block}")))?;
        // A classifier is listed once for itself, without a number, and once for each filter.
        filters.retain(|filter| u32::from(filter.header.handle) != 0);
        Ok(filters)
    }

    pub(super) async fn set_program(&self, block: u32, rule: PacketRule) -> Result<()> {
        let object = || format!("block {block}");
        let program = Program::load(rule)?;
        let mut others = self.block_filters(block).await?;
        others.retain(|filter| filter.header.info >> 16 != PRIORITY || filter.header.handle != FILTER.into());
        for other in others {
            let message = TcMessage::from_parts(other.header, Vec::new());
            let done = self.ask(RouteNetlinkMessage::DelTrafficFilter(message), NLM_F_ACK).await;
            unless_absent(done.map(drop).map_err(failed("delete a filter of", object())))?;
        }
        let message = program_message(block, rule, program.as_raw_fd());
        let done = self.ask(RouteNetlinkMessage::NewTrafficFilter(message), NLM_F_ACK | NLM_F_CREATE).await;
        done.map(drop).map_err(failed("add a filter to", object()))
    }

    /// Sends a request; the messages of its answer that are about queueing.
    async fn ask(
        &self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> std::result::Result<Vec<TcMessage>, rtnetlink::Error> {
        let mut request = NetlinkMessage::from(message);
        request.header.flags = NLM_F_REQUEST | flags;
        let mut answers = self.handle().request(request)?;
        let mut found = Vec::new();
        while let Some(answer) = answers.next().await {
            match answer.payload {
                NetlinkPayload::Error(error) if error.code.is_some() => {
                    return Err(rtnetlink::Error::NetlinkError(error));
                }
                NetlinkPayload::InnerMessage(
                    RouteNetlinkMessage::NewQueueDiscipline(message)
                    | RouteNetlinkMessage::NewTrafficFilter(message),
                ) => found.push(message),
                _ => {}
            }
        }
        Ok(found)
    }
}

fn discipline(index: u32) -> TcMessage {
    let mut message = TcMessage::default();
    message.header.index = index.cast_signed();
    message.header.parent = TcHandle::CLSACT;
    message
}

fn of_block(block: u32) -> TcMessage {
    let mut message = TcMessage::default();
    message.header.index = TcHeader::TCM_IFINDEX_MAGIC_BLOCK.cast_signed();
    message.header.parent = block.into();
    message
}

fn program_message(block: u32, rule: PacketRule, program: RawFd) -> TcMessage {
    let mut message = of_block(block);
    message.header.handle = FILTER.into();
    message.header.info = PRIORITY << 16 | EVERY_PROTOCOL;
    message.attributes.push(TcAttribute::Kind(TcFilterBpf::KIND.to_owned()));
    let options = [
        TcFilterBpfOption::ProgFd(program.cast_unsigned()),
        TcFilterBpfOption::ProgName(rule.name()),
        TcFilterBpfOption::Flags(TcBpfFlags::DirectAction),
    ];
    message.attributes.push(TcAttribute::Options(options.map(TcOption::Bpf).to_vec()));
    message
}

fn read_filters(message: &TcMessage) -> Option<(u32, DeviceFilters)> {
    // Of the `ingress` discipline too: a device has one of them at most.
    if message.header.parent != TcHandle::CLSACT {
        return None;
    }
    let block = |kind: u16| {
        message.attributes.iter().find_map(|attribute| match attribute {
            TcAttribute::Other(nla) if nla.kind() == kind => {
                let mut value = [0; 4];
                (nla.value_len() == value.len()).then(|| {
                    nla.emit_value(&mut value);
                    u32::from_ne_bytes(value)
                })
            }
            _ => None,
        })
    };
    let filters = DeviceFilters { ingress: block(INGRESS_BLOCK), egress: block(EGRESS_BLOCK) };
    Some((message.header.index.cast_unsigned(), filters))
}

fn read_program(filter: &TcMessage) -> Option<String> {
    let options = filter.attributes.iter().find_map(|attribute| match attribute {
        TcAttribute::Options(options) => Some(options),
        _ => None,
    })?;
    options.iter().find_map(|option| match option {
        TcOption::Bpf(TcFilterBpfOption::ProgName(name)) => Some(name.clone()),
        _ => None,
    })
}

/// What a message of the group for queueing says was lost.
pub(super) fn loss(message: NetlinkMessage<RouteNetlinkMessage>) -> Option<FilterLoss> {
    match message.payload {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelQueueDiscipline(message)) => {
            let is_filters = message.header.parent == TcHandle::CLSACT;
            is_filters.then(|| FilterLoss::Device(message.header.index.cast_unsigned()))
        }
        NetlinkPayload::InnerMessage(
            RouteNetlinkMessage::DelTrafficFilter(_) | RouteNetlinkMessage::DelTrafficChain(_),
        ) => Some(FilterLoss::Filter),
        _ => None,
    }
}
