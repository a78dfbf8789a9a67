"""The workload of `cargo xtask bench mining`: fixed seed, 12 activities, choice + loop + parallel pair, ~15% noisy cases.
Writes $OUT/log_<cases>.csv (case,activity,resource,timestamp_ms), $OUT/log_<cases>.xes and $OUT/net.pnml.
Model (unique labels, no silent transitions): A B C (D|E) F G [H (D|E) F G]* I (J||K) L"""
import os, random, sys
from datetime import datetime, timezone
out, cases = sys.argv[1], int(sys.argv[2])
os.makedirs(out, exist_ok=True)
names = dict(zip("ABCDEFGHIJKL", ["receive", "validate", "classify", "draft_auto", "draft_manual", "score", "check", "rework", "approve", "notify", "archive", "close"]))
rng = random.Random(20260801)
t0 = 1_767_225_600_000
ev = 0
csv = open(f"{out}/log_{cases}.csv", "w"); csv.write("case,activity,resource,timestamp_ms\n")
xes = open(f"{out}/log_{cases}.xes", "w")
xes.write('<?xml version="1.0" encoding="UTF-8"?>\n<log xes.version="1.0" xmlns="http://www.xes-standard.org/">\n'
          '<extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>\n'
          '<extension name="Time" prefix="time" uri="http://www.xes-standard.org/time.xesext"/>\n'
          '<extension name="Organizational" prefix="org" uri="http://www.xes-standard.org/org.xesext"/>\n'
          '<extension name="Lifecycle" prefix="lifecycle" uri="http://www.xes-standard.org/lifecycle.xesext"/>\n'
          '<classifier name="Activity" keys="concept:name"/>\n')
for c in range(cases):
    s = list("ABC"); s += [rng.choice("DDDE"), "F", "G"]
    while rng.random() < 0.10: s += ["H", rng.choice("DDDE"), "F", "G"]
    s += ["I"] + (["J", "K"] if rng.random() < 0.6 else ["K", "J"]) + ["L"]
    if rng.random() < 0.15:
        k = rng.randrange(3)
        if k == 0: del s[rng.randrange(len(s))]
        elif k == 1:
            i = rng.randrange(len(s) - 1); s[i], s[i + 1] = s[i + 1], s[i]
        else: s = s[: rng.randrange(3, len(s))]
    t = t0 + c * 7_000 + rng.randrange(5_000)
    cid = f"case_{c:06d}"
    xes.write(f'<trace>\n<string key="concept:name" value="{cid}"/>\n')
    for a in s:
        t += 200 + rng.randrange(60_000)
        r = f"agent_{rng.randrange(8)}"
        csv.write(f"{cid},{names[a]},{r},{t}\n")
        iso = datetime.fromtimestamp(t / 1000, timezone.utc).isoformat(timespec="milliseconds")
        xes.write(f'<event>\n<string key="concept:name" value="{names[a]}"/>\n<string key="org:resource" value="{r}"/>\n'
                  f'<date key="time:timestamp" value="{iso}"/>\n<string key="lifecycle:transition" value="complete"/>\n</event>\n')
        ev += 1
    xes.write("</trace>\n")
xes.write("</log>\n"); xes.close(); csv.close()
places = ["p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7a", "p7b", "p8a", "p8b", "end"]
tr = {"A": (["p0"], ["p1"]), "B": (["p1"], ["p2"]), "C": (["p2"], ["p3"]), "D": (["p3"], ["p4"]), "E": (["p3"], ["p4"]), "F": (["p4"], ["p5"]),
      "G": (["p5"], ["p6"]), "H": (["p6"], ["p3"]), "I": (["p6"], ["p7a", "p7b"]), "J": (["p7a"], ["p8a"]), "K": (["p7b"], ["p8b"]), "L": (["p8a", "p8b"], ["end"])}
with open(f"{out}/net.pnml", "w") as f:
    f.write('<?xml version="1.0" encoding="UTF-8"?>\n<pnml><net id="net1" type="http://www.pnml.org/version-2009/grammar/pnmlcoremodel"><name><text>bench</text></name><page id="n0">\n')
    for p in places:
        im = "<initialMarking><text>1</text></initialMarking>" if p == "p0" else ""
        f.write(f'<place id="{p}"><name><text>{p}</text></name>{im}</place>\n')
    for k in tr: f.write(f'<transition id="{k}"><name><text>{names[k]}</text></name></transition>\n')
    n = 0
    for k, (i, o) in tr.items():
        for p in i: n += 1; f.write(f'<arc id="a{n}" source="{p}" target="{k}"/>\n')
        for p in o: n += 1; f.write(f'<arc id="a{n}" source="{k}" target="{p}"/>\n')
    f.write('</page><finalmarkings><marking><place idref="end"><text>1</text></place></marking></finalmarkings></net></pnml>\n')
print(cases, "cases", ev, "events")
