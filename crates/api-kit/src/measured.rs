//! Rates and latencies of requests, by route and status.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use http::{Method, StatusCode};
use metrics::{Counter, Histogram, counter, histogram};

/// What metrics call a request no route is for.
const UNMATCHED: &str = "unmatched";

/// A request under way. What is measured ends with the head of the answer: a long list
/// is sent afterwards.
pub struct Measured {
    service: &'static str,
    route: Option<MatchedPath>,
    method: &'static str,
    began: Instant,
}

/// The metrics of one method and status of a route.
struct Line {
    service: &'static str,
    method: &'static str,
    status: u16,
    requests: Counter,
    seconds: Histogram,
}

thread_local! {
    /// By route. Looked up by name, metrics cost more than many a request.
    static LINES: RefCell<HashMap<String, Vec<Line>>> = RefCell::default();
}

impl Measured {
    /// Begins to measure.
    #[must_use]
    pub fn begin(service: &'static str, request: &Request) -> Self {
        Self {
            service,
            route: request.extensions().get::<MatchedPath>().cloned(),
            method: name(request.method()),
            began: Instant::now(),
        }
    }

    /// Accounts for the request.
    pub fn end(self, status: StatusCode) {
        let took = self.began.elapsed();
        let Self { service, method, .. } = self;
        let route = self.route.as_ref().map_or(UNMATCHED, MatchedPath::as_str);
        let status = status.as_u16();
        LINES.with_borrow_mut(|lines| {
            let of_route = match lines.get_mut(route) {
                Some(of_route) => of_route,
                None => lines.entry(route.to_owned()).or_default(),
            };
            let same =
                |line: &&Line| line.status == status && line.method == method && line.service == service;
            if let Some(line) = of_route.iter().find(same) {
                line.account(took);
            } else {
                let line = Line::new(service, route, method, status);
                line.account(took);
                of_route.push(line);
            }
        });
    }
}

impl Line {
    fn new(service: &'static str, route: &str, method: &'static str, status: u16) -> Self {
        let requests = counter!("isospin_api_requests_total", "service" => service, "method" => method,
            "route" => route.to_owned(), "status" => status.to_string());
        let seconds = histogram!("isospin_api_request_seconds", "service" => service, "method" => method,
            "route" => route.to_owned());
        Self { service, method, status, requests, seconds }
    }

    fn account(&self, took: std::time::Duration) {
        self.requests.increment(1);
        self.seconds.record(took);
    }
}

/// What a client may send is not to become a label.
fn name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
