from qnviz.ui.maps.scoreboard import scoreboard

scoreboard()
