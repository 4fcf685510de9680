use super::*;

fn caller(project: &str, roles: &[&str]) -> Caller {
    Caller {
        user_id: "u".to_owned(),
        project_id: project.to_owned(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        ..Caller::default()
    }
}

fn check(expression: &'static str, caller: &Caller, target: &Target<'_>) -> bool {
    let rules = [
        Rule::new("admin_only", "role:admin"),
        Rule::new("shared", "field:networks:shared=True"),
        Rule::new("it", expression),
    ];
    Policy::new(&rules).expect("a policy").allows("it", caller, target)
}

#[test]
fn expressions_mean_what_oslo_policy_says() {
    let own = Target::owned_by("p1").flag("shared", false);
    let shared = Target::owned_by("p2").flag("shared", true);
    let member = caller("p1", &["member", "reader"]);
    let cases: &[(&str, &Target<'_>, bool)] = &[
        ("", &own, true),
        ("@", &own, true),
        ("!", &own, false),
        ("role:MEMBER", &own, true),
        ("role:admin", &own, false),
        ("not role:admin", &own, true),
        ("role:member and project_id:%(project_id)s", &own, true),
        ("role:member and project_id:%(project_id)s", &shared, false),
        ("rule:admin_only or rule:shared", &shared, true),
        ("rule:admin_only or rule:shared", &own, false),
        ("role:admin or role:member and role:absent", &own, false),
        ("(role:admin or role:member) and role:reader", &own, true),
        ("'p1':%(project_id)s", &own, true),
        ("tenant_id:%(tenant_id)s", &own, true),
        ("project_id:%(network:project_id)s", &own, false),
        ("field:port:device_owner=~^network:", &own, false),
    ];
    for (expression, target, expected) in cases {
        assert_eq!(check(expression, &member, target), *expected, "{expression}");
    }
}

#[test]
fn objects_of_nobody_belong_to_nobody() {
    let target = Target::owned_by("");
    assert!(!check("project_id:%(project_id)s", &caller("", &["member"]), &target));
}

#[test]
fn n25_an_unknown_action_denies_and_a_bad_policy_does_not_start() {
    let policy = Policy::new(&[Rule::new("get_network", "@")]).expect("a policy");
    let admin = caller("p", &["admin"]);
    assert!(policy.allows("get_network", &admin, &Target::new()));
    assert!(!policy.allows("get_networks", &admin, &Target::new()));
    for bad in ["role", "role:", "(role:a", "role:a role:b", "rule:nobody", "and", "role:a or", ")"] {
        let rule = Rule { name: "x", expression: Box::leak(bad.to_owned().into_boxed_str()) };
        assert!(Policy::new(&[rule]).is_err(), "{bad}");
    }
}
