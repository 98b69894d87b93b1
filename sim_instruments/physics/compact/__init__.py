"""The compact wall model: displacement of many pulses in one draw, for tens of millions of walls."""
