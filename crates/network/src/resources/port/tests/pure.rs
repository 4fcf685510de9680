//! What can be decided without a database.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::resources::port::model::PairAddress;
use crate::resources::port::rules::checks;

#[test]
fn pairs_are_shown_as_written() {
    for text in ["10.0.0.1", "10.0.0.1/32", "10.0.0.5/24", "0.0.0.0/0", "fd00::1", "fd00::/64"] {
        let address: PairAddress = text.parse().expect("an address or prefix");
        assert_eq!(address.to_string(), text);
    }
    assert_eq!("10.0.0.5/24".parse::<PairAddress>().expect("a prefix").net().to_string(), "10.0.0.0/24");
    for text in ["", "10.0.0", "10.0.0.1/33", "10.0.0.0/", "x/8", "10.0.0.1 "] {
        assert!(text.parse::<PairAddress>().is_err(), "{text}");
    }
}

proptest! {
    /// Whatever JSON comes, a check answers; what it accepts it accepts again unchanged.
    #[test]
    fn checks_are_total_and_stable(value in json_values()) {
        type Check = fn(&Value) -> Result<Value, String>;
        let pairs: Check = checks::address_pairs;
        for check in
            [pairs, checks::fixed_ips, checks::dhcp_options, checks::profile, checks::host, checks::dns_name]
        {
            if let Ok(canonical) = check(&value) {
                prop_assert_eq!(check(&canonical), Ok(canonical));
            }
        }
    }

    /// No accepted DHCP option can end a line (N21).
    #[test]
    fn n21_no_option_holds_a_control_character(name in ".{0,70}", value in "(?s).{0,20}") {
        let given = json!([{"opt_name": name, "opt_value": value}]);
        if let Ok(accepted) = checks::dhcp_options(&given) {
            let text = format!("{}{}", accepted[0]["opt_name"].as_str().unwrap_or(""),
                accepted[0]["opt_value"].as_str().unwrap_or(""));
            prop_assert!(!text.chars().any(char::is_control));
        }
    }
}

fn json_values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z0-9./:-]{0,12}".prop_map(Value::from),
        Just(json!("10.0.0.1")),
        Just(json!("fa:16:3e:00:00:01")),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let keys = prop_oneof![
            Just("ip_address".to_owned()),
            Just("subnet_id".to_owned()),
            Just("mac_address".to_owned()),
            Just("opt_name".to_owned()),
            Just("opt_value".to_owned()),
            "[a-z]{1,4}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(keys, inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}
