//! Answers a healthy API server does not give, by a small HTTP proxy in front of a real one. What
//! holds in all of them: mappings in force stay in force, and the proxy recovers by itself.

use std::time::{Duration, Instant};

use crate::{
    api::spec,
    cluster::{Cluster, Suite},
    front::{Action, Front, Rule},
    installation::{Installation, Proxy},
    support::{DEADLINE, Service, ping, wait_until},
};

pub fn add(suite: &mut Suite) {
    suite.own("a_watch_that_is_gone_is_followed_by_one_list", gone);
    suite.own("a_watch_whose_start_is_answered_410_is_followed_by_a_list", gone_at_once);
    suite.own("watches_that_are_always_gone_make_no_storm_of_lists", storm);
    suite.own("a_cut_watch_goes_on_where_it_was", cut);
    suite.own("a_watch_that_trickles_is_read_as_it_comes", slow);
    suite.own("garbage_in_lists_and_watches_changes_nothing", garbage);
    suite.own("a_storm_of_conflicts_about_the_lease_ends_well", conflicts);
    suite.own("an_api_that_asks_for_patience_gets_it", patience);
    suite.own("forbidden_for_a_while_is_told_and_gets_over", forbidden);
    suite.own("a_list_whose_pages_expire_is_asked_in_one_piece", pages);
}

struct Scene {
    service: Service,
    front: Front,
    installation: Installation,
    proxy: Proxy,
}

/// A proxy that leads, with one mapping in force, behind a front that lets all pass.
fn scene(cluster: &Cluster) -> Scene {
    let service = Service::echo();
    let front = Front::new(cluster);
    let installation = Installation::with_kubeconfig(&front.kubeconfig);
    cluster.api.create("standing", &spec("standing", service.address));
    let proxy = installation.leader("one");
    cluster.api.wait_condition("standing", "Ready", "True Ready");
    Scene { service, front, installation, proxy }
}

impl Scene {
    /// What is in force stays in force while `hurt`, then a new mapping is taken up.
    fn holds(&self, cluster: &Cluster, hurt: impl FnOnce()) {
        let mut stream = self.installation.stream(&self.proxy, "standing");
        ping(&mut stream, "before");
        hurt();
        assert_eq!(self.installation.ask(&self.proxy, "standing"), 200);
        assert_eq!(self.proxy.readiness().0, 200);
        self.front.rules(Vec::new());
        cluster.api.create("fresh", &spec("fresh", self.service.address));
        self.installation.wait_answer(&self.proxy, "fresh", 200);
        cluster.api.wait_condition("fresh", "Ready", "True Ready");
        self.proxy.wait_fact("connected", 1);
        ping(&mut stream, "after");
    }

    fn lists(&self) -> u64 {
        self.proxy.fact("lists_total")
    }
}

fn gone(cluster: &Cluster) {
    let scene = scene(cluster);
    let before = scene.lists();
    scene.holds(cluster, || {
        scene.front.rules(vec![Rule::watch(Action::GoneEvent).times(1)]);
        scene.front.cut_watches();
        wait_until("the mappings are listed again", DEADLINE, || scene.lists() == before + 1);
    });
    assert_eq!(scene.lists(), before + 1);
}

fn gone_at_once(cluster: &Cluster) {
    let scene = scene(cluster);
    let before = scene.lists();
    scene.holds(cluster, || {
        scene.front.rules(vec![Rule::watch(Action::Status(410, "Expired")).times(1)]);
        scene.front.cut_watches();
        wait_until("the mappings are listed again", DEADLINE, || scene.lists() > before);
    });
}

fn storm(cluster: &Cluster) {
    let scene = scene(cluster);
    let before = scene.lists();
    scene.holds(cluster, || {
        scene.front.rules(vec![Rule::watch(Action::GoneEvent)]);
        scene.front.cut_watches();
        let begun = Instant::now();
        wait_until("it was tried a while", DEADLINE, || begun.elapsed() > Duration::from_secs(10));
        let lists = scene.lists() - before;
        println!("{:?}: lists in 10 s of watches that are gone: {lists}", cluster.kind);
        assert!((2..=12).contains(&lists), "{lists} lists in 10 s");
    });
}

fn cut(cluster: &Cluster) {
    let scene = scene(cluster);
    let before = scene.lists();
    scene.holds(cluster, || {
        for index in 0..3 {
            scene.front.cut_watches();
            let name = format!("cut-{index}");
            cluster.api.create(&name, &spec(&name, scene.service.address));
            scene.installation.wait_answer(&scene.proxy, &name, 200);
        }
    });
    println!("{:?}: lists for 3 cut watches: {}", cluster.kind, scene.lists() - before);
}

fn slow(cluster: &Cluster) {
    let scene = scene(cluster);
    scene.holds(cluster, || {
        scene.front.rules(vec![Rule::watch(Action::Trickle)]);
        scene.front.cut_watches();
        cluster.api.create("slowly", &spec("slowly", scene.service.address));
        scene.installation.wait_answer(&scene.proxy, "slowly", 200);
        scene.front.rules(Vec::new());
        scene.front.cut_watches();
    });
}

fn garbage(cluster: &Cluster) {
    let scene = scene(cluster);
    for action in [Action::Garbage, Action::EmptyList, Action::HalfLine] {
        scene.holds(cluster, || {
            let rules = vec![Rule::watch(action), Rule::list(action)];
            scene.front.rules(rules);
            scene.front.cut_watches();
            scene.front.wait_applied(6);
        });
        cluster.api.delete("fresh");
    }
}

fn conflicts(cluster: &Cluster) {
    let scene = scene(cluster);
    scene.holds(cluster, || {
        scene.front.rules(vec![Rule::write("leases", Action::Status(409, "Conflict")).times(3)]);
        scene.front.wait_applied(3);
    });
    assert_eq!(cluster.api.holder(&scene.installation.lease).as_deref(), Some("one"));
    scene.proxy.wait_fact("leads", 1);
}

fn patience(cluster: &Cluster) {
    let scene = scene(cluster);
    scene.holds(cluster, || {
        let busy = Action::Status(429, "TooManyRequests");
        scene.front.rules(vec![Rule::write("status", busy).times(2)]);
        let begun = Instant::now();
        cluster.api.create("patient", &spec("patient", scene.service.address));
        cluster.api.wait_condition("patient", "Accepted", "True Accepted");
        // The front asks for one second each time.
        assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
        assert!(scene.proxy.fact("status_writes_failed_total") >= 2);
    });
}

fn forbidden(cluster: &Cluster) {
    let scene = scene(cluster);
    scene.holds(cluster, || {
        let no = Action::Status(403, "Forbidden");
        scene.front.rules(vec![Rule::watch(no), Rule::list(no)]);
        scene.front.cut_watches();
        scene.proxy.wait_problem("needs the verb");
        let (_, _, notes) = scene.proxy.readiness();
        assert!(notes.iter().any(|note| note.contains("away since")), "{notes:?}");
        scene.proxy.wait_fact("connected", 0);
    });
    assert_eq!(scene.proxy.readiness().2, [] as [&str; 0]);
}

fn pages(cluster: &Cluster) {
    let service = Service::echo();
    let front = Front::new(cluster);
    let many = (0..600).map(|index| {
        let name = format!("page-{index}");
        let spec = spec(&name, service.address);
        (name, spec)
    });
    cluster.api.create_many(many.collect());
    front.rules(vec![Rule::page(Action::Status(410, "Expired"))]);
    let installation = Installation::with_kubeconfig(&front.kubeconfig);
    let proxy = installation.proxy("one");
    assert_eq!(installation.ask(&proxy, "page-599"), 200);
    assert!(proxy.metric("causeway_mappings") >= 600);
    assert!(front.applied() >= 1, "there was no second page");
}
