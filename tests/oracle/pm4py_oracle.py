"""Answers, through pm4py, what the program `llmteam-oracle` asks in a folder.

The folder holds `question.json`: how many logs (`0.xes`, …) and nets (`0.pnml`, …) there are, at which shares of noise trees are
wanted, and pairs of a log and a net. The answer is written beside it, as `answer.json`, in the order asked.
"""

import json
import logging
import os
import sys
import warnings

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
os.environ["TQDM_DISABLE"] = "1"

import pm4py  # noqa: E402
from pm4py.algo.conformance.alignments.petri_net import algorithm as alignments  # noqa: E402
from pm4py.algo.conformance.tokenreplay import algorithm as replay  # noqa: E402


def edges(counts):
    return [[a, b, n] for (a, b), n in sorted(counts.items())]


def about_log(log, noises):
    dfg, starts, ends = pm4py.discover_dfg(log)
    net = pm4py.discover_heuristics_net(log, dependency_threshold=0.5, and_threshold=0.65, loop_two_threshold=0.5)
    dependencies = {(a, b): n for a, row in net.dependency_matrix.items() for b, n in row.items()}
    return {
        "dfg": edges(dfg),
        "starts": sorted(starts.items()),
        "ends": sorted(ends.items()),
        "dependencies": edges(dependencies),
        "trees": [str(pm4py.discover_process_tree_inductive(log, noise_threshold=noise)) for noise in noises],
    }


def about_pair(log, net):
    counts = ("missing_tokens", "consumed_tokens", "remaining_tokens", "produced_tokens")
    return {
        "replay": [[int(case[it]) for it in counts] for case in replay.apply(log, *net)],
        "costs": [case["cost"] // 10000 for case in alignments.apply(log, *net)],
    }


def main(folder):
    def at(name):
        return os.path.join(folder, name)

    with open(at("question.json")) as file:
        asked = json.load(file)
    logs = [pm4py.convert_to_event_log(pm4py.read_xes(at(f"{it}.xes"))) for it in range(asked["logs"])]
    nets = [pm4py.read_pnml(at(f"{it}.pnml")) for it in range(asked["nets"])]
    answer = {
        "logs": [about_log(log, asked["noise"]) for log in logs],
        "pairs": [about_pair(logs[log], nets[net]) for log, net in asked["pairs"]],
    }
    with open(at("answer.json"), "w") as file:
        json.dump(answer, file)


main(sys.argv[1])
