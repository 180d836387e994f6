from qnviz.ui.scoreboard import scoreboard

scoreboard()
