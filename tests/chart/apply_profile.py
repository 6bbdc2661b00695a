"""apply_profile.py PROFILE CALL[,CALL…]|'' PROGRAM [ARGUMENT…]: runs a program under a seccomp
profile in the form of container runtimes, less some calls."""

import json
import os
import sys

import seccomp

OPERATORS = {"SCMP_CMP_MASKED_EQ": seccomp.MASKED_EQ}

profile, without, program = sys.argv[1], sys.argv[2].split(","), sys.argv[3:]
with open(profile, encoding="utf-8") as file:
    profile = json.load(file)
rules = seccomp.SyscallFilter(seccomp.ERRNO(profile["defaultErrnoRet"]))
for group in profile["syscalls"]:
    if group["action"] == "SCMP_ACT_ALLOW":
        action = seccomp.ALLOW
    else:
        action = seccomp.ERRNO(group["errnoRet"])
    arguments = [
        seccomp.Arg(arg["index"], OPERATORS[arg["op"]], arg["value"], arg["valueTwo"])
        for arg in group.get("args", [])
    ]
    for name in group["names"]:
        # A call of another architecture has no number here.
        if name not in without and seccomp.resolve_syscall(seccomp.Arch.NATIVE, name) >= 0:
            rules.add_rule(action, name, *arguments)
rules.load()
os.execv(program[0], program)
