import { render } from 'preact'
import { Explorer } from './explorer'
import './style/index.css'
import { App } from './view/app'

const x = new Explorer()
void x.start()
render(<App x={x} />, document.getElementById('app')!)
