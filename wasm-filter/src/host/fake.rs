//! A host for native tests: answers from fields, records what it was asked to do.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    time::Duration,
};

use super::{CallToken, GrpcTarget, HeaderMap, Host, LocalReply, LogLevel, MetricId, Status};

/// One recorded gRPC call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Token that the caller got.
    pub token: CallToken,
    /// Serialised `GrpcService`.
    pub target: String,
    /// `/service/method`.
    pub path: String,
    /// Serialised request.
    pub message: Vec<u8>,
}

/// A host made of plain fields.
#[derive(Debug, Default)]
pub struct FakeHost {
    /// What [`Host::plugin_configuration`] returns.
    pub configuration: RefCell<Vec<u8>>,
    /// What [`Host::request_headers`] returns.
    pub headers: RefCell<HeaderMap>,
    /// What [`Host::request_body`] returns, up to the asked length.
    pub body: RefCell<Vec<u8>>,
    /// What [`Host::response_status`] returns; 0 means not found.
    pub status: Cell<u32>,
    /// Properties by path joined with dots.
    pub properties: RefCell<BTreeMap<String, Vec<u8>>>,
    /// The clock.
    pub now: Cell<Duration>,
    /// Every call fails with this status while it is set.
    pub failure: Cell<Option<Status>>,
    /// Lines logged.
    pub lines: RefCell<Vec<(LogLevel, String)>>,
    /// Local replies sent.
    pub replies: RefCell<Vec<LocalReply>>,
    /// gRPC calls started.
    pub calls: RefCell<Vec<Call>>,
    /// Counters by name.
    pub counters: RefCell<Vec<(String, u64)>>,
    /// How often request headers were fetched.
    pub header_fetches: Cell<u32>,
}

impl FakeHost {
    /// Sets the request head.
    pub fn set_headers(&self, pairs: &[(&[u8], &[u8])]) {
        *self.headers.borrow_mut() = HeaderMap::from_pairs(pairs);
    }

    /// Value of a counter; 0 when nobody defined it.
    pub fn counter(&self, name: &str) -> u64 {
        let counters = self.counters.borrow();
        counters
            .iter()
            .find(|(known, _)| known == name)
            .map_or(0, |(_, value)| *value)
    }

    /// The property that was set last under this name, as text.
    pub fn text_property(&self, name: &str) -> Option<String> {
        let properties = self.properties.borrow();
        properties
            .get(name)
            .map(|value| String::from_utf8_lossy(value).into_owned())
    }

    fn check(&self) -> Result<(), Status> {
        self.failure.get().map_or(Ok(()), Err)
    }
}

impl Host for FakeHost {
    fn log(&self, level: LogLevel, message: &str) {
        self.lines.borrow_mut().push((level, message.to_owned()));
    }

    fn now(&self) -> Result<Duration, Status> {
        self.check()?;
        Ok(self.now.get())
    }

    fn random(&self) -> u64 {
        0x5eed
    }

    fn plugin_configuration(&self) -> Result<Vec<u8>, Status> {
        self.check()?;
        Ok(self.configuration.borrow().clone())
    }

    fn set_tick_period(&self, _period: Duration) -> Result<(), Status> {
        self.check()
    }

    fn request_headers(&self) -> Result<HeaderMap, Status> {
        self.check()?;
        self.header_fetches.set(self.header_fetches.get() + 1);
        Ok(self.headers.borrow().clone())
    }

    fn request_body(&self, max_bytes: usize) -> Result<Vec<u8>, Status> {
        self.check()?;
        Ok(self.body.borrow().iter().take(max_bytes).copied().collect())
    }

    fn response_status(&self) -> Result<u32, Status> {
        self.check()?;
        match self.status.get() {
            0 => Err(Status::NOT_FOUND),
            status => Ok(status),
        }
    }

    fn send_local_reply(&self, reply: &LocalReply) -> Result<(), Status> {
        self.check()?;
        self.replies.borrow_mut().push(reply.clone());
        Ok(())
    }

    fn property(&self, path: &[&str]) -> Result<Vec<u8>, Status> {
        self.check()?;
        let properties = self.properties.borrow();
        properties.get(&path.join(".")).cloned().ok_or(Status::NOT_FOUND)
    }

    fn set_property(&self, name: &str, value: &[u8]) -> Result<(), Status> {
        self.check()?;
        self.properties.borrow_mut().insert(name.to_owned(), value.to_vec());
        Ok(())
    }

    fn define_counter(&self, name: &str) -> Result<MetricId, Status> {
        self.check()?;
        let mut counters = self.counters.borrow_mut();
        counters.push((name.to_owned(), 0));
        Ok(MetricId(u32::try_from(counters.len() - 1).unwrap_or(u32::MAX)))
    }

    fn increment(&self, metric: MetricId, by: u64) -> Result<(), Status> {
        self.check()?;
        if by == 0 {
            return Err(Status::BAD_ARGUMENT);
        }
        let mut counters = self.counters.borrow_mut();
        let (_, value) = counters.get_mut(metric.0 as usize).ok_or(Status::NOT_FOUND)?;
        *value += by;
        Ok(())
    }

    fn grpc_call(
        &self,
        target: &GrpcTarget,
        service: &str,
        method: &str,
        message: &[u8],
        _timeout: Duration,
    ) -> Result<CallToken, Status> {
        self.check()?;
        let mut calls = self.calls.borrow_mut();
        let token = CallToken(u32::try_from(calls.len()).unwrap_or(u32::MAX));
        calls.push(Call {
            token,
            target: target.as_str().to_owned(),
            path: format!("/{service}/{method}"),
            message: message.to_vec(),
        });
        Ok(token)
    }
}
