"""Push one domain wall and watch its conductance, knowing nothing but PyVISA.

Run it as it stands, or set `PYVISA_LIBRARY` and the addresses to those of a real bench.
"""

import os

import pyvisa

manager = pyvisa.ResourceManager(os.environ.get("PYVISA_LIBRARY", "@domainwall"))
for address in manager.list_resources():
    with manager.open_resource(address) as instrument:
        print(f"{address:36} {instrument.query('*IDN?').strip()}")

pulser = manager.open_resource("TCPIP0::pulser.bench::inst0::INSTR")
meter = manager.open_resource("TCPIP0::smu.bench::inst0::INSTR")
switch = manager.open_resource("GPIB0::7::INSTR")


def measure_a() -> float:
    """Join the meter to column 1, read the current at 0.1 V and part again."""
    switch.write(":ROUT:CLOS (@1!2!1)")
    meter.write(":OUTP ON")
    current_a = float(meter.query(":READ?"))
    meter.write(":OUTP OFF")
    switch.write(":ROUT:OPEN ALL")
    return current_a


meter.write("*RST;:SOUR:VOLT 0.1;:SOUR:VOLT:ILIM 1 MA")
pulser.write("*RST;:FUNC PULS;:OUTP:LOAD 2000;:VOLT:LOW 0;HIGH 1.5;:PULS:WIDT 100 NS;:ARM:SOUR MAN;:TRIG:COUN 100")
before_a = measure_a()
switch.write(":ROUT:CLOS (@1!1!1)")
pulser.write(":OUTP ON;:TRIG;:OUTP OFF")
switch.write(":ROUT:OPEN ALL")
after_a = measure_a()
print(f"100 pushes: {before_a * 1e6:.3f} uA -> {after_a * 1e6:.3f} uA")
