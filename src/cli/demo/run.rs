//! Starting the demo, and its one request.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::ExitCode,
    time::{Duration, Instant},
};

use super::{
    super::{
        node::{Failure, Node, plan, report, start_log},
        signals,
    },
    echo,
    files::{Files, SERVICE},
};
use crate::{
    config::{EngineChoice, LogConfig, LogFormat},
    connector::{self, RunningConnector},
    proxy::{self, RunningProxy},
    telemetry::{Figures, Metric, Selection},
};

/// The port of the announcement's walk.
const LOCAL_PORT: u16 = 5001;
const END_TIMEOUT: Duration = Duration::from_secs(2);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// `causeway demo`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct DemoArgs {
    /// Send one request, print its answer and the latency percentiles, and exit.
    #[arg(long)]
    once: bool,
    /// The engine of both roles.
    #[arg(long, value_enum, default_value_t = Engine::Auto)]
    engine: Engine,
    /// The channel's local port; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = LOCAL_PORT)]
    port: u16,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Engine {
    Auto,
    #[value(name = "io_uring")]
    IoUring,
    Epoll,
}

impl From<Engine> for EngineChoice {
    fn from(engine: Engine) -> Self {
        match engine {
            Engine::Auto => Self::Auto,
            Engine::IoUring => Self::IoUring,
            Engine::Epoll => Self::Epoll,
        }
    }
}

/// Both roles, and the files they run on.
struct Demo {
    proxy: RunningProxy,
    connector: RunningConnector,
    channel: SocketAddr,
    files: Files,
}

impl DemoArgs {
    pub(in crate::cli) fn run(self) -> ExitCode {
        report(self.show())
    }

    fn show(self) -> Result<(), Failure> {
        let level = if self.once { "warn,causeway::cli=info" } else { "info" };
        start_log(&LogConfig { format: LogFormat::Console, level: level.to_owned() })?;
        let demo = Demo::start(self.engine.into(), self.port)?;
        if self.once {
            return demo.once();
        }
        demo.print_invitation();
        let signal = signals::wait_for_end()?;
        tracing::info!(signal, "the demo ends");
        demo.end();
        Ok(())
    }
}

impl Demo {
    fn start(engine: EngineChoice, local_port: u16) -> Result<Self, Failure> {
        let files = Files::make()?;
        let service = echo::serve()?;
        let proxy_config = files.proxy(service, engine)?;
        let mut plan = plan("proxy", &proxy_config.workers).map_err(Failure)?;
        let proxy = proxy::start(&proxy_config, &plan)?;
        let config = files.connector(proxy.address().port(), local_port, engine)?;
        plan.role = "connector";
        let connector = connector::start(&config, &plan)?;
        let channels = connector.channels();
        let channel =
            match channels.first().map(|channel| (channel.address, channel.status.problem())) {
                Some((Some(address), _)) => address,
                Some((None, Some(problem))) => {
                    return Err(Failure(format!("{problem}, or give the demo another --port")));
                }
                _ => return Err(Failure("the demo's channel did not open".to_owned())),
            };
        Ok(Self { proxy, connector, channel, files })
    }

    fn print_invitation(&self) {
        let port = self.proxy.address().port();
        let file = |name: &str| self.files.path(name).display().to_string();
        println!(
            "Causeway demo: client -> connector {} -> mutual TLS -> proxy {} -> echo service\n\n\
             Through the service channel:\n  \
             curl http://localhost:{}/test -H \"Host: echoserver.test\"\n\n\
             With no connector at all:\n  \
             curl --proxy https://localhost:{port} --proxy-cert {} --proxy-key {} \
             --proxy-cacert {} --proxytunnel http://{SERVICE}:80/test\n\nCtrl-C ends it.",
            self.channel,
            self.proxy.address(),
            self.channel.port(),
            file("connector.crt"),
            file("connector.key"),
            file("ca.crt"),
        );
    }

    fn once(self) -> Result<(), Failure> {
        let request = "GET /test HTTP/1.1\r\nHost: echoserver.test\r\nUser-Agent: causeway-demo\r\n\
                       Connection: close\r\n\r\n";
        println!("GET http://{}/test  (Host: echoserver.test)\n", self.channel);
        let mut stream = TcpStream::connect(self.channel)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        println!("{answer}");
        drop(stream);
        let answered = answer.starts_with("HTTP/1.1 200 ");
        // A stream's last samples are recorded when it ends.
        self.connector.crew().quiesce(END_TIMEOUT);
        self.proxy.crew().quiesce(END_TIMEOUT);
        self.print_latencies();
        self.end();
        if answered { Ok(()) } else { Err(Failure("the service did not answer 200".to_owned())) }
    }

    fn print_latencies(&self) {
        println!(
            "{:<10} {:<16} {:>6} {:>12} {:>12} {:>12}",
            "role", "latency", "count", "p50 µs", "p99 µs", "max µs"
        );
        let nodes: [(&str, &dyn Node); 2] =
            [("connector", &self.connector), ("proxy", &self.proxy)];
        for (role, node) in nodes {
            let (news, problems) = node.take_news();
            let mut figures = Figures::new(node.counters().len());
            figures.take_in(news, Instant::now());
            let latency = figures.latency(&Selection::default()).unwrap_or_default();
            for metric in Metric::ALL {
                let summary = latency.summary(metric);
                if summary.count > 0 {
                    let micros = |nanos: u64| format!("{:.1}", nanos as f64 / 1000.0);
                    println!(
                        "{role:<10} {:<16} {:>6} {:>12} {:>12} {:>12}",
                        metric.name(),
                        summary.count,
                        micros(summary.p50_ns),
                        micros(summary.p99_ns),
                        micros(summary.max_ns),
                    );
                }
            }
            for problem in problems {
                println!("{role:<10} {problem}");
            }
        }
    }

    fn end(&self) {
        self.connector.drain(Some(END_TIMEOUT));
        self.proxy.drain(Some(END_TIMEOUT));
    }
}
