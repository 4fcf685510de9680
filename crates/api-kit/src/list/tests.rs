use super::*;
use crate::attribute::{Absent, Attribute, Check, ResourceType};

const TABLE: Table = Table { name: "things", id: "id", tags: "thing_tags" };
const THING: ResourceType = ResourceType {
    name: "thing",
    collection: "things",
    attributes: &[&[
        Attribute::read_only("id", Check::Uuid).column("id"),
        Attribute::settable("name", Check::Text(255), Absent::EMPTY_TEXT).column("name"),
        Attribute::settable("up", Check::Bool, Absent::TRUE).column("up"),
        Attribute::settable("owner", Check::Text(255), Absent::NULL).or_null().column("owner"),
        Attribute::settable("secret", Check::Text(255), Absent::Unset),
    ]],
};

fn sql(query: &str) -> String {
    let list = ListQuery::parse(&THING, query, 0).expect("a list query");
    let mut select = Select::new("id", "things");
    list.apply(&TABLE, &mut select);
    select.build().0
}

#[test]
fn filters_sort_and_page_become_sql() {
    assert_eq!(sql(""), "SELECT id FROM things ORDER BY things.id ASC");
    assert_eq!(
        sql("name=a&name=b&up=True&limit=2"),
        "SELECT id FROM things WHERE things.name IN ($1, $2) AND things.up = $3 \
         ORDER BY things.id ASC LIMIT $4"
    );
    assert_eq!(
        sql("sort_key=name&sort_dir=desc&marker=x"),
        "SELECT id FROM things WHERE ((things.name < (SELECT m.name FROM things m WHERE m.id = $1)) OR \
         (things.name = (SELECT m.name FROM things m WHERE m.id = $1) AND things.id > $1)) \
         ORDER BY things.name DESC, things.id ASC"
    );
    assert_eq!(
        sql("sort_key=owner&marker=x"),
        "SELECT id FROM things WHERE ((\
         (things.owner > (SELECT m.owner FROM things m WHERE m.id = $1) \
         OR (things.owner IS NOT NULL AND (SELECT m.owner FROM things m WHERE m.id = $1) IS NULL))) OR \
         (things.owner IS NOT DISTINCT FROM (SELECT m.owner FROM things m WHERE m.id = $1) AND things.id > $1)) \
         ORDER BY things.owner ASC NULLS FIRST, things.id ASC"
    );
    assert_eq!(
        sql("sort_key=id&sort_dir=desc"),
        "SELECT id FROM things ORDER BY things.id DESC, things.id ASC"
    );
    assert_eq!(sql("name="), "SELECT id FROM things WHERE things.name = $1 ORDER BY things.id ASC");
    assert_eq!(sql("sort_key=&marker=&fields="), "SELECT id FROM things ORDER BY things.id ASC");
}

#[test]
fn what_cannot_be_meant_is_refused_by_name() {
    let refused = |query: &str| ListQuery::parse(&THING, query, 0).expect_err(query).message;
    assert_eq!(refused("foo=1"), "['foo'] is invalid attribute for filtering");
    assert_eq!(refused("secret=1"), "['secret'] is invalid attribute for filtering");
    assert_eq!(
        refused("limit=abc"),
        "Bad limit request: Limit must be an integer 0 or greater and not 'abc'."
    );
    assert_eq!(refused("limit=-1"), "Bad limit request: Limit must be an integer 0 or greater and not '-1'.");
    assert_eq!(refused("sort_key=nope"), "['nope'] is invalid attribute for sort_key");
    assert_eq!(
        refused("sort_key=name&sort_dir=up"),
        "'up' is invalid value for sort_dirs, it must be 'asc' or 'desc'"
    );
}

#[test]
fn links_point_to_the_pages_beside() {
    let list = ListQuery::parse(&THING, "limit=2&name=a", 0).expect("a list query");
    let links = list.links("http://h/v2.0/things", &["1".to_owned(), "2".to_owned()]).expect("links");
    assert_eq!(links[0]["href"], "http://h/v2.0/things?name=a&limit=2&marker=2");
    assert_eq!(links[1]["href"], "http://h/v2.0/things?name=a&limit=2&marker=1&page_reverse=True");
    assert!(ListQuery::parse(&THING, "", 0).expect("a list query").links("u", &[]).is_none());

    let past = list.links("u", &[]).expect("links");
    assert_eq!(
        past,
        serde_json::json!([{"rel": "previous", "href": "u?name=a&limit=2&page_reverse=True"}]),
        "from behind the last page the way back starts at the end"
    );
    let list = ListQuery::parse(&THING, "limit=2&page_reverse=True", 0).expect("a list query");
    let before = list.links("u", &[]).expect("links");
    assert_eq!(before[0]["rel"], "next");
    assert_eq!(before[1], serde_json::Value::Null);
}
