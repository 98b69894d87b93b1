"""Push one domain wall and watch its conductance, knowing nothing but PyVISA."""

import pyvisa

manager = pyvisa.ResourceManager("@domainwall")
instruments = {address: manager.open_resource(address) for address in manager.list_resources()}
for address, instrument in instruments.items():
    print(f"{address:36} {instrument.query('*IDN?').strip()}")
pulser, meter = (instruments[f"TCPIP0::{name}.bench::inst0::INSTR"] for name in ("pulser", "smu"))
switch = instruments["GPIB0::7::INSTR"]


def measure_a() -> float:
    switch.write(":ROUT:CLOS (@1!2!1)")
    current_a = float(meter.query(":OUTP ON;:READ?"))
    meter.write(":OUTP OFF")
    switch.write(":ROUT:OPEN ALL")
    return current_a


meter.write("*RST;:SOUR:VOLT 0.1;:SOUR:VOLT:ILIM 1 MA")
pulser.write("*RST;:FUNC PULS;:OUTP:LOAD 2000;:VOLT:LOW 0;HIGH 1.5;:PULS:WIDT 100 NS;:ARM:SOUR MAN;:TRIG:COUN 100")
before_a = measure_a()
switch.write(":ROUT:CLOS (@1!1!1)")
pulser.write(":OUTP ON;:TRIG;:OUTP OFF")
switch.write(":ROUT:OPEN ALL")
print(f"100 pushes: {before_a * 1e6:.3f} uA -> {measure_a() * 1e6:.3f} uA")
