//! Links to the next and the previous page.

use serde_json::{Value, json};

use super::ListQuery;

impl ListQuery {
    /// `<collection>_links`, when the list is paged. `ids` are those of the page in
    /// the order shown; `url` is the list's own without query.
    #[must_use]
    pub fn links(&self, url: &str, ids: &[String]) -> Option<Value> {
        if self.limit == 0 {
            return None;
        }
        let full = ids.len() as u64 >= self.limit;
        let mut links = Vec::new();
        // From an empty page the way back starts at the end of the list.
        if full || self.reverse {
            links.push(json!({"rel": "next", "href": self.page(url, ids.last(), false)}));
        }
        if full || !self.reverse {
            links.push(json!({"rel": "previous", "href": self.page(url, ids.first(), true)}));
        }
        Some(Value::Array(links))
    }

    fn page(&self, url: &str, marker: Option<&String>, reverse: bool) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in &self.raw {
            if !matches!(name.as_str(), "marker" | "page_reverse" | "limit") {
                query.append_pair(name, value);
            }
        }
        query.append_pair("limit", &self.limit.to_string());
        if let Some(marker) = marker {
            query.append_pair("marker", marker);
        }
        if reverse {
            query.append_pair("page_reverse", "True");
        }
        format!("{url}?{}", query.finish())
    }
}
