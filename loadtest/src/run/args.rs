//! The command line of `run`, and its course.

use std::{
    env,
    net::{SocketAddr, ToSocketAddrs as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::SystemTime,
};

use crate::{
    contestants::own_cpu_seconds,
    failure::{Failure, While as _},
    generator::{ClientFiles, Dialer, Observer, Target, drive, on_one_thread},
    machine::{Machine, allow_many_files},
    record::{Interval, Measurement},
    report::{self, Progress, RunReport},
    scenario::{Rate, Scenario},
};

/// One scenario on one target. The service behind it must echo what it gets; for loads in bulk it
/// must be `causeway-loadtest serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// A scenario by name or file.
    #[arg(long, value_name = "NAME|FILE")]
    scenario: String,
    /// What is spoken to the target.
    #[arg(long, value_enum, default_value_t = Via::Plain)]
    via: Via,
    /// The target: a local port of a connector, a TLS port, or a proxy's tunnel port.
    #[arg(long, value_name = "HOST:PORT")]
    address: String,
    /// The service that CONNECT asks for.
    #[arg(long, value_name = "SERVICE:PORT", default_value = "echoserver:443")]
    authority: String,
    /// PEM: authorities of the target's certificate. Needed for everything but plain.
    #[arg(long, value_name = "FILE", required_if_eq_any =
        [("via", "tls"), ("via", "connect-http1"), ("via", "connect-http2")])]
    ca: Option<PathBuf>,
    /// PEM: the client's certificate.
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// PEM: the key of it.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// The name expected in the target's certificate [default: the host of --address].
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
    /// Length of the measurement, instead of the scenario's own.
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<f64>,
    /// Operations a second (open loop) for each load that has operations.
    #[arg(long, value_name = "PER SECOND")]
    rate: Option<f64>,
    /// Where the report goes: text, JSON, HTML and interval log [default: only text, to standard
    /// output].
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Via {
    Plain,
    Tls,
    ConnectHttp1,
    ConnectHttp2,
}

/// Moves the bar.
struct Watcher(Progress, f64);

impl Observer for Watcher {
    fn begins(&mut self) {
        self.1 = own_cpu_seconds();
    }

    fn ends(&mut self) {
        self.1 = own_cpu_seconds() - self.1;
    }

    fn passed(&mut self, interval: &Interval) {
        self.0.says(&report::rate(interval));
        self.0.one_more();
    }
}

impl RunArgs {
    /// Measures and reports; errors of the load make it fail.
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let scenario = self.scenario()?;
        let target = self.target()?;
        allow_many_files();
        let started = SystemTime::now();
        let steps = report::steps(&scenario);
        let mut watcher = Watcher(Progress::start(steps, scenario.seconds), 0.0);
        let measurement: Measurement = on_one_thread(async {
            let dialer = Dialer::prepare(target, scenario.tunnels, scenario.resume).await?;
            drive(&scenario, dialer, None, &mut watcher).await
        })?;
        watcher.0.end();
        let report = RunReport {
            scenario,
            command: env::args().collect::<Vec<_>>().join(" "),
            // The target may be on another machine; these are the facts of the generator's.
            machine: Machine::look(Path::new(".")),
            generator_cpu_seconds: watcher.1,
            started,
            measurement,
        };
        report::publish_run(&report, self.report.as_deref())?;
        let failed = report.measurement.errors > 0;
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    fn scenario(&self) -> Result<Scenario, Failure> {
        let mut scenario = Scenario::find(&self.scenario)?;
        scenario.seconds = self.seconds.unwrap_or(scenario.seconds);
        if self.rate.is_some() {
            for load in scenario.load.iter_mut().filter(|load| load.kind.has_operations()) {
                load.rate = self.rate.map(Rate::PerSecond);
            }
        }
        if scenario.is_relative() {
            let name = &scenario.name;
            return Err(Failure(format!(
                "{name} has a rate that `compare` finds out; give --rate, or use `compare`"
            )));
        }
        scenario.check()?;
        Ok(scenario)
    }

    fn target(&self) -> Result<Target, Failure> {
        let address = self.resolve()?;
        let host = self.address.rsplit_once(':').map_or("", |(host, _)| host);
        let files = ClientFiles {
            ca: self.ca.clone().unwrap_or_default(),
            identity: self.certificate.clone().zip(self.key.clone()),
            server_name: self.server_name.clone().unwrap_or_else(|| host.to_owned()),
        };
        Ok(match self.via {
            Via::Plain => Target::Plain(address),
            Via::Tls => Target::Tls(address, files),
            Via::ConnectHttp1 => Target::ConnectHttp1(address, files, self.authority.clone()),
            Via::ConnectHttp2 => Target::ConnectHttp2(address, files, self.authority.clone()),
        })
    }

    fn resolve(&self) -> Result<SocketAddr, Failure> {
        let mut found = self
            .address
            .to_socket_addrs()
            .during(format!("{} is no HOST:PORT that can be resolved", self.address))?;
        found.next().ok_or_else(|| Failure(format!("{} has no address", self.address)))
    }
}
