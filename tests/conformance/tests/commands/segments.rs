//! Segments of networks, and the ranges their ids are taken from.

use anyhow::Result;
use isospin_conformance::Line;

use super::Cloud;

const SEGMENTS: &[Line] = &[
    (
        "network create --provider-network-type vlan --provider-physical-network external \
         --provider-segment 7 routed",
        "",
    ),
    ("net := network show routed -f value -c id", ""),
    (
        "network segment list --network routed -f value -c 'Network Type' -c Segment -c Network",
        "{net} vlan 7",
    ),
    (
        "network segment create --network routed --network-type vlan --physical-network external --segment 8 \
         --description First second",
        "",
    ),
    ("network segment show second -f value -c segmentation_id -c network_id", "{net}\n8"),
    ("network segment list --long --network routed -f value -c Segment --sort-column Segment", "7\n8"),
    ("network segment set --name second-one --description Other second", ""),
    ("network segment show second-one -f value -c description -c physical_network", "Other\nexternal"),
    ("segment := network segment show second-one -f value -c id", ""),
];

/// A subnet may lie on one segment.
const ROUTED: &[Line] = &[
    ("subnet create --network routed --network-segment second-one --subnet-range 10.4.0.0/24 on-second", ""),
    ("subnet show on-second -f value -c segment_id", "{segment}"),
];

const SEGMENTS_GONE: &[Line] = &[
    ("subnet delete on-second", ""),
    ("network segment delete second-one", ""),
    ("network segment list --network routed -f value -c Segment", "7"),
    ("network delete routed", ""),
    ("network segment list -f value -c Segment --sort-column Segment", "{tenant}\nNone"),
];

const RANGES: &[Line] = &[
    (
        "network segment range list -f value -c Default -c 'Network Type' -c 'Minimum ID' \
         --sort-column 'Network Type'",
        "True vlan 1\nTrue vxlan 1",
    ),
    (
        "network segment range create --private --project demo --network-type vlan --physical-network external \
         --minimum 200 --maximum 202 range",
        "",
    ),
    (
        "network segment range show range -f value -c minimum -c maximum -c shared -c available",
        "['200-202']\n202\n200\nFalse",
    ),
    ("network segment range set --name range-one --minimum 200 --maximum 204 range", ""),
    ("network segment range show range-one -f value -c maximum", "204"),
    ("network segment range list --available -f value -c Name -c Available --sort-column Name", ""),
];

const RANGES_GONE: &[Line] = &[
    ("network segment range delete range-one", ""),
    ("network segment range list -f value -c Default", "True\nTrue"),
];

#[test]
fn segments_and_their_ranges() -> Result<()> {
    let mut cloud = Cloud::start()?;
    cloud.admin(&[("tenant := network segment list --network net -f value -c Segment", "")])?;
    cloud.admin(SEGMENTS)?;
    cloud.admin(ROUTED)?;
    let said = cloud.admin.refused("network segment delete second-one")?;
    assert!(said.contains("on-second") || said.contains("subnet"), "{said}");
    cloud.admin(SEGMENTS_GONE)?;
    cloud.admin(RANGES)?;
    let said = cloud.admin.refused(
        "network segment range create --shared --network-type vlan --physical-network external --minimum 203 \
         --maximum 300 overlapping",
    )?;
    assert!(said.contains("overlaps"), "{said}");
    cloud.admin(RANGES_GONE)
}
